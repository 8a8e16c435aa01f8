"""The client and its transport as classes of httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from .app_client import AppClient
from .exchange import Exchange
from .transport import EXTENSION, Core

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class BodyStream(httpx.AsyncByteStream):
    """The body of a streamed response: chunks while the app runs; closing it leaves."""

    def __init__(self, core: Core, exchange: Exchange, request: httpx.Request) -> None:
        self._core, self._exchange, self._request = core, exchange, request

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        # Not a generator: one that is left in the middle would have to be closed by somebody.
        timeout = self._core.read_timeout(self._request)
        with self._core.translated(self._request, httpx):
            chunk = await self._core.next_chunk(self._exchange, timeout)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Leave: an app that still streams is told, cancelled and waited for."""
        await self._core.close_exchange(self._exchange)


class AppTransport(httpx.AsyncBaseTransport):
    """An ASGI app as a transport for any `httpx.AsyncClient`; see `transport.Core`."""

    def __init__(self, core: Core) -> None:
        self.core = core

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with a response at `http.response.start`, or when the app has ended."""
        mode = request.extensions.get(EXTENSION, True)
        if mode is True:
            exchange = await self.core.opened(request)
            stream: httpx.AsyncByteStream = BodyStream(self.core, exchange, request)
        else:
            exchange = mode if isinstance(mode, Exchange) else await self.core.answered(request)
            stream = httpx.ByteStream(b"".join(exchange.chunks))
        return httpx.Response(
            exchange.status, headers=exchange.headers, stream=stream, request=request
        )

    async def aclose(self) -> None:
        """Reap what is still open."""
        await self.core.aclose()


class AsgiClient(AppClient, httpx.AsyncClient):
    """An `httpx.AsyncClient` bound to an ASGI app in this process."""

    def __init__(self, core: Core, **kwargs: Any) -> None:
        self.asgi = core
        self._library = httpx
        self._urls = {}
        self._encoding = kwargs.get("default_encoding", "utf-8")
        super().__init__(transport=AppTransport(core), **kwargs)

    def __repr__(self) -> str:
        return f"<AsgiClient (httpx) of {self.base_url}>"
