"""One SSL context for all default clients, while upstream calls are mocked.

`AsyncClient()` reads the whole CA bundle, which costs as much as a hundred
mocked requests. The shared context verifies exactly as the client's own would,
since calls may still be let through; only default arguments share one, and a
changed environment gets a new one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_ENVIRONMENT = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class SharedSSLContexts:
    """The contexts of the process, by library and environment."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], ssl.SSLContext] = {}

    def sharing(self, library: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """A `create_ssl_context` that gives the same one for default arguments."""

        def create_ssl_context(
            verify: Any = True, cert: Any = None, trust_env: bool = True, **others: Any
        ) -> Any:
            if verify is not True or cert is not None or others:
                return original(verify=verify, cert=cert, trust_env=trust_env, **others)
            environment = tuple(map(os.environ.get, _ENVIRONMENT)) if trust_env else ()
            key = (library, trust_env, *environment)
            if key not in self._known:
                self._known[key] = original(verify=verify, cert=cert, trust_env=trust_env)
            return self._known[key]

        return create_ssl_context

    def __repr__(self) -> str:
        return f"<SharedSSLContexts {len(self._known)}>"
