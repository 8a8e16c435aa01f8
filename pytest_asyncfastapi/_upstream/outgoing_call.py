"""One call of httpx or httpx2 on its way out, and which connections of its pool may carry it.

A pool picks a connection by its origin alone. Whatever leads elsewhere than
the call is to go is closed before, or takes no more calls where others still
use it: nothing scripted is ever sent to the real network, nor the reverse.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .._core.signatures import signature
from .network import MemoryNetworkStream
from .script import REAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._faults import Pool
    from .httpx_libraries import Library


@dataclass(slots=True, eq=False)
class Call:
    """One request on its way out, and how it would have gone without us.

    Not changed once made, and not frozen: one is made for every call.
    """

    library: Library
    transport: Any
    request: Any
    original: Callable[..., Any]

    @property
    def http2(self) -> bool:
        """Would the client speak HTTP/2 to a server that does?"""
        pool = getattr(self.transport, "_pool", None)
        speaks: bool = getattr(pool, "_http2", False)
        # Without TLS there is nothing to agree on: only a client that knows beforehand does.
        return speaks and (self.request.url.scheme == "https" or not getattr(pool, "_http1", True))

    @property
    def pool(self) -> Pool:
        """The client's pool, and how many calls it lets on the wire at one time."""
        found = getattr(self.transport, "_pool", None)
        limit = getattr(found, "_max_connections", sys.maxsize)
        if getattr(found, "_http2", False) and self.http2:  # whose streams share a connection
            limit = sys.maxsize
        return identity(self.transport), limit

    @property
    def is_private(self) -> bool:
        """May it go out without a route, since it does not leave the private network?"""
        return False

    @property
    def proxy(self) -> str:
        """The scheme of the client's proxy; empty where there is none."""
        url = getattr(getattr(self.transport, "_pool", None), "_proxy_url", None)
        return "" if url is None else str(url.scheme, "ascii")

    @property
    def handshakes_unbounded(self) -> bool:
        """Does it wait for a SOCKS proxy's handshake without a timeout, as in httpcore 1.0?"""
        if not self.proxy.startswith("socks"):
            return False
        begin = self.library.core_part("_async.socks_proxy")._init_socks5_connection
        return not any("timeout" in name for name in signature(begin).parameters)

    def forward(self) -> Any:
        """Send it the original way (awaitable for an async transport)."""
        return self.original(self.transport, self.request)

    async def real_async(self) -> Any:
        """Send it the original way, and never over an in-memory connection."""
        token = REAL.set(True)
        try:
            for connection in connections_to_close(self, scripted=False):
                await connection.aclose()
            return await self.forward()
        finally:
            REAL.reset(token)

    def real(self) -> Any:
        """Send it the original way, and never over an in-memory connection."""
        token = REAL.set(True)
        try:
            for connection in connections_to_close(self, scripted=False):
                connection.close()
            return self.forward()
        finally:
            REAL.reset(token)


def connections_to_close(call: Call, *, scripted: bool, fresh: bool = False) -> list[Any]:
    """The idle connections to close before this call; busy ones take no more streams.

    `fresh` says that the call needs a connection of its own making.
    """
    found = []
    origin: Any = None
    for connection in getattr(getattr(call.transport, "_pool", None), "connections", ()):
        inner: Any = getattr(connection, "_connection", None)
        # Behind a proxy there is one more layer.
        inner = getattr(inner, "_connection", inner)
        stream = getattr(inner, "_network_stream", None)
        if stream is None:
            continue
        in_memory = isinstance(stream, MemoryNetworkStream)
        multiplexed = hasattr(inner, "_used_all_stream_ids")
        if in_memory == scripted and not (multiplexed and (fresh or not _current(stream))):
            continue
        origin = core_origin(call) if origin is None else origin
        if not connection.can_handle_request(origin):
            continue
        if connection.is_idle():
            found.append(connection)
        elif multiplexed:
            inner._used_all_stream_ids = True  # as if it had: the last stream closes it
    return found


def _current(stream: Any) -> bool:
    return not isinstance(stream, MemoryNetworkStream) or stream.is_current


def core_origin(call: Call) -> Any:
    """Where the call goes, in the core's words."""
    url = call.request.url
    core_url = call.library.core.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
    return core_url.origin
