"""Heads and bodies of HTTP messages as a report may show them: short, and without secrets.

Names decide what is secret, as in `redaction.py`: of a header, of a field in JSON or in a form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .redaction import NAMES, PATTERN, SECRET, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT = 4096  # bytes of a body that are looked at
LONGEST = 1000  # characters of a body, and of a header, that are shown
_MOST = 40  # headers
_SECRET_NAMES = frozenset(NAMES)
# `"token": "..."`, `"token": 123`; a string may be cut off.
_JSON = re.compile(
    rf'("(?:{PATTERN})"\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[^\s,\]}}"\[{{][^\s,\]}}]*)', re.IGNORECASE
)
_FORM = re.compile(rf"((?:^|&)(?:{PATTERN})=)[^&\s]*", re.IGNORECASE)
_PART = re.compile(
    rf'(name="(?:{PATTERN})"[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n)(?:(?!\r?\n--).)*',
    re.IGNORECASE | re.DOTALL,
)


def message(
    headers: Iterable[tuple[bytes | str, bytes | str]], body: bytes, size: int | None = None
) -> dict[str, Any]:
    """One head and body as plain data: `headers` as pairs, `body` as text, `size` in bytes.

    `body` may be the beginning only; `size` is then how long it was.
    """
    pairs = [(_text(name), _text(value)) for name, value in headers]
    kind = next((value for name, value in pairs if name.lower() == "content-type"), "")
    whole = len(body) if size is None else size
    return {
        "headers": [[name, _header(name, value)] for name, value in pairs[:_MOST]],
        "body": _body(body, kind, whole),
        "size": whole,
    }


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _header(name: str, value: str) -> str:
    if name.lower().replace("_", "-") in _SECRET_NAMES:
        return SECRET
    shown: str = redacted(value)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + " ..."


def _body(body: bytes, kind: str, size: int) -> str:
    if not body:
        return ""
    try:
        text = body[:KEPT].decode()
    except UnicodeDecodeError as error:
        # The beginning of a longer one may end within a character.
        if error.start < len(body[:KEPT]) - 4 or size <= error.start:
            return f"<{size} bytes of {kind.partition(';')[0] or 'an unknown type'}>"
        text = body[: error.start].decode()
    if any(ord(sign) < 32 and sign not in "\t\r\n" for sign in text):
        return f"<{size} bytes of {kind.partition(';')[0] or 'an unknown type'}>"
    text = _PART.sub(rf"\1{SECRET}", _JSON.sub(rf'\1"{SECRET}"', text))
    if "form-urlencoded" in kind:
        text = _FORM.sub(rf"\1{SECRET}", text)
    text = str(redacted(text))
    cut = len(text) > LONGEST or size > KEPT
    return text[:LONGEST] + (" ..." if cut else "")
