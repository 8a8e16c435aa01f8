"""A WebSocket as a network stream of frames: what httpx2's own WebSocket reads and writes.

`httpx2.websockets.AsyncWebSocketClient(client)` asks for an upgrade, and takes
`response.extensions["network_stream"]` from there. wsproto, which it needs
itself, does the frames. Our own `client.websocket()` has no use for this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from .faulty_websocket import socket_exchange

if TYPE_CHECKING:
    from wsproto.events import Event

    from .protocols import ClientFaultEffects
    from .scope import ScopeBuilder
    from .websocket_exchange import SocketExchange


def upgraded(scopes: ScopeBuilder, request: Any, plan: ClientFaultEffects | None) -> SocketExchange:
    """The exchange of a request that asks for a WebSocket, with its stream of frames."""
    exchange = socket_exchange(scopes, request, plan)
    exchange.extensions = {"network_stream": FrameStream(exchange)}
    return exchange


class FrameStream:
    """The server's end of the wire. It never raises: errors of the app are raised on leaving."""

    def __init__(self, exchange: SocketExchange) -> None:
        from wsproto import ConnectionType
        from wsproto.connection import Connection

        self._exchange = exchange
        self._wire = Connection(ConnectionType.SERVER)
        self._outgoing = b""
        self._parts: list[str | bytes] = []
        self._closing = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Frames of what the app sends; empty once the connection has ended."""
        with anyio.fail_after(timeout):
            while not self._outgoing:
                if not self._frame():
                    if self._exchange.over:
                        return b""
                    await self._exchange.changed()
        data, self._outgoing = self._outgoing[:max_bytes], self._outgoing[max_bytes:]
        return data

    def _frame(self) -> bool:
        """Put the app's next word on the wire; False if there is none."""
        from wsproto.events import BytesMessage, CloseConnection, TextMessage

        exchange = self._exchange
        event: Event
        if exchange.messages:
            payload = exchange.take_message()
            event = TextMessage(payload) if isinstance(payload, str) else BytesMessage(payload)
        elif exchange.closed_by_app and exchange.closed is not None and not self._closing:
            self._closing = True
            event = CloseConnection(exchange.closed[0], exchange.closed[1])
        else:
            return False
        self._outgoing += self._wire.send(event)
        return True

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Frames of what the client sends."""
        from wsproto.events import CloseConnection, Message, Ping

        self._wire.receive_data(buffer)
        for event in self._wire.events():
            if isinstance(event, Message):
                self._parts.append(event.data)
                if event.message_finished:
                    await self._deliver()
            elif isinstance(event, Ping):
                self._outgoing += self._wire.send(event.response())
                self._exchange.wake()
            elif isinstance(event, CloseConnection) and not self._exchange.over:
                self._exchange.close(event.code, event.reason or "")

    async def _deliver(self) -> None:
        parts, self._parts = self._parts, []
        while self._exchange.full and not self._exchange.over:
            await self._exchange.changed()
        if not self._exchange.over:
            empty: Any = type(parts[0])()
            self._exchange.deliver(empty.join(parts))

    async def aclose(self) -> None:
        """The connection ends, if no close was sent before."""
        if not self._exchange.over:
            self._exchange.disconnect()

    def get_extra_info(self, info: str) -> Any:
        """No socket is available."""
        return None
