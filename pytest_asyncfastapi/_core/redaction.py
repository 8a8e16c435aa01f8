"""Names whose values are secret, and how they are taken out of the text of a report."""

from __future__ import annotations

import re
from typing import Any

SECRET = "<secret>"
# Compared without case; `-` and `_` are the same.
# fmt: off
NAMES = (
    "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token",
    "x-csrf-token", "x-amz-security-token", "api-key", "apikey", "key", "token", "access-token",
    "refresh-token", "id-token", "auth", "password", "passwd", "pwd", "secret", "client-secret",
    "signature", "sig", "session", "sessionid", "private-key",
)
# fmt: on
PATTERN = "|".join(sorted((name.replace("-", "[-_]") for name in NAMES), key=len, reverse=True))
# The value of a parameter in the query of a URL, and a password before the host.
_PARAMETER = re.compile(rf"([?&](?:{PATTERN})=)[^&\s\"'<>\\#)]+", re.IGNORECASE)
_PASSWORD = re.compile(r"(://[^/\s:@\"'\\]*:)[^@/\s\"'\\]+@")


def redacted(value: Any) -> Any:
    """The same strings, lists and dictionaries without the secrets in their URLs."""
    if isinstance(value, str):
        if "=" in value:
            value = _PARAMETER.sub(rf"\1{SECRET}", value)
        return _PASSWORD.sub(rf"\1{SECRET}@", value) if "@" in value else value
    if isinstance(value, dict):
        return {key: redacted(inner) for key, inner in value.items()}
    return [redacted(item) for item in value] if isinstance(value, (list, tuple)) else value
