"""What the client is made of in both libraries: the body of a stream, the transport.

Mix-ins that stand before the library's own abstract classes; `with_httpx` and
`with_httpx2` join the two. Neither library is imported here.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from .._core.real_time import perf_counter
from .exchange import Exchange
from .internal_errors import translated
from .redirects import is_cross_origin, is_other_host, redirected_away, send_outside
from .transport import EXTENSION, AsgiTransportCore

if TYPE_CHECKING:
    from types import ModuleType


class Body:
    """The body of a streamed response: chunks while the app runs; closing it leaves."""

    library: ModuleType

    def __init__(
        self, core: AsgiTransportCore, exchange: Exchange, request: Any, began: float | None = None
    ) -> None:
        self._core, self._exchange, self._request = core, exchange, request
        self._began = began
        self.response: Any = None  # whose `elapsed` is ours to set; else the library does

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> bytes:
        # Not a generator: one that is left in the middle would have to be closed by somebody.
        if self._exchange.chunks:
            return self._exchange.take()
        timeout = self._core.read_timeout(self._request)
        with translated(self._request, self.library):
            chunk = await self._core.next_chunk(self._exchange, timeout)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Leave: an app that still streams gets `http.disconnect`, is cancelled and awaited."""
        if self.response is not None and self._began is not None:
            spent = perf_counter() - self._began
            self.response.elapsed = datetime.timedelta(seconds=spent)
            self.response = None  # no cycle: the response refers to its stream
        await self._core.close_exchange(self._exchange)


class Transport:
    """An ASGI app as a transport for any `AsyncClient` of the library; see `AsgiTransportCore`."""

    library: ModuleType
    body: type[Any]

    def __init__(self, core: AsgiTransportCore) -> None:
        self.core = core
        self._outer: Any = None  # the library's own transport, for redirects that lead away

    async def handle_async_request(self, request: Any) -> Any:
        """Answer with a response at `http.response.start`, or when the app has ended."""
        mode, first = request.extensions.get(EXTENSION) or (True, request.url)
        foreign = False
        if is_cross_origin(request, first):
            mode = mode.streaming if isinstance(mode, Exchange) else mode
            response = await send_outside(request, self.core.outside, self._real)
            if response is not None:
                return response
            foreign = is_other_host(request, first)
        if mode is True or (isinstance(mode, Exchange) and mode.streaming):
            exchange = await self.core.send_streaming(request) if mode is True else mode
            stream = self.body(self.core, exchange, request)
        else:
            exchange = (
                mode if isinstance(mode, Exchange) else await self.core.send_buffered(request)
            )
            stream = self.library.ByteStream(b"".join(exchange.chunks))
        if foreign and exchange.status == 404:
            if exchange.streaming:
                await stream.aclose()
            raise redirected_away(request, first)
        return self.library.Response(
            exchange.status,
            headers=exchange.headers,
            stream=stream,
            request=request,
            extensions=exchange.extensions,
        )

    def _real(self) -> Any:
        if self._outer is None:
            self._outer = self.library.AsyncHTTPTransport()
        return self._outer

    async def aclose(self) -> None:
        """Reap what is still open."""
        outer, self._outer = self._outer, None
        if outer is not None:
            await outer.aclose()
        await self.core.aclose()
