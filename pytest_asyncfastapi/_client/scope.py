"""From an httpx request to an ASGI HTTP scope, as a strict server would build it.

Source: the ASGI specification, "HTTP Connection Scope"; where it is silent,
uvicorn's behaviour (`root_path` is a prefix of `path` and `raw_path`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .._core.http_library import library_of
from .asgi_extensions import OFFERED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# What h11 sends, and a client over the network with it, as one text; a line break ends a line.
_SENDABLE = re.compile(rb"(?:[-!#$%&'*+.^_`|~0-9A-Za-z]+:(?:[^\x00\s]+(?:[ \t]+[^\x00\s]+)*)?\n)*")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_MOST = 512
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class ScopeBuilder:
    """Builds scopes for one client; keeps what is the same for every request."""

    def __init__(
        self,
        *,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        spec_version: str = "2.3",
        state: dict[str, Any] | None = None,
        extensions: tuple[str, ...] = OFFERED,
    ) -> None:
        self.root_path: str = root_path.rstrip("/")
        self.client = client
        self.spec_version = spec_version
        self.state = state
        self.extensions = extensions
        self._targets: dict[bytes, tuple[str, bytes, bytes]] = {}
        self._sendable: set[tuple[tuple[bytes, bytes], ...]] = set()

    def http(self, request: Any) -> dict[str, Any]:
        """The scope of one request: a fresh dict, headers as lower-cased byte pairs."""
        url = request.url
        raw = request.headers.raw
        sent = tuple(raw)
        if sent not in self._sendable:  # most requests of a client have the same headers
            _check_headers(request, raw)
            if len(self._sendable) < _MOST:
                self._sendable.add(sent)
        raw_target = url.raw_path
        target = self._targets.get(raw_target)
        if target is None:
            target = self._split(raw_target)
        scheme = url.scheme
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": self.spec_version},
            "http_version": "1.1",
            "method": request.method.upper(),
            "scheme": scheme,
            "path": target[0],
            "raw_path": target[1],
            "query_string": target[2],
            "root_path": self.root_path,
            "headers": [(name.lower(), value) for name, value in raw],
            "client": list(self.client),
            "server": [url.host, url.port or _DEFAULT_PORTS.get(scheme, 80)],
            "extensions": {name: {} for name in self.extensions},
        }
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def websocket(self, request: Any) -> dict[str, Any]:
        """The scope of one WebSocket, from the request that is its handshake."""
        scope = self.http(request)
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = {"http": "ws", "https": "wss"}.get(scope["scheme"], scope["scheme"])
        # As uvicorn: 2.4, where `send()` raises once the client has gone.
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
        scope["extensions"] = {"websocket.http.response": {}}
        offered = request.headers.get("sec-websocket-protocol", "")
        scope["subprotocols"] = [name.strip() for name in offered.split(",") if name.strip()]
        return scope

    def _split(self, raw_target: bytes) -> tuple[str, bytes, bytes]:
        raw_path, _, query = raw_target.partition(b"?")
        raw_path = self.root_path.encode() + raw_path
        target = (unquote(raw_path.decode("ascii")), raw_path, query)
        # A test that walks over ever new paths must not grow this forever.
        if len(self._targets) > _MOST:
            self._targets.clear()
        self._targets[raw_target] = target
        return target


def _check_headers(request: Any, raw: list[tuple[bytes, bytes]]) -> None:
    """Raise the library's `LocalProtocolError` for what it could not send over a network."""
    text = b"".join([b"%s:%s\n" % pair for pair in raw])
    if text.count(b"\n") == len(raw) and _SENDABLE.fullmatch(text):
        return
    for name, value in raw:
        what = f"value {value!r}" if _NAME.fullmatch(name) else f"name {name!r}"
        line = b"%s:%s\n" % (name, value)
        if line.count(b"\n") > 1 or not _SENDABLE.fullmatch(line):
            error = library_of(request).LocalProtocolError
            raise error(f"Illegal header {what}", request=request)


def body_of(request: Any) -> bytes | AsyncIterator[bytes]:
    """The request's body: bytes if it is in memory, else its stream, read lazily."""
    try:
        body: bytes = request.content
    except library_of(request).RequestNotRead:
        stream: AsyncIterator[bytes] = request.stream.__aiter__()
        return stream
    return body
