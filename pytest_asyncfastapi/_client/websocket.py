"""A WebSocket of the test's: `async with client.websocket("/ws") as ws`.

The handshake is a request of the client like any other (its headers, cookies,
auth, base URL and timeout hold), so that a rejection is a response of the
library's. From then on messages pass between test and app as they are. Each
socket has a scope, a task and a context of its own; nothing is held open that
ties it to the task that opened it, and nothing is wrapped in a group.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio

from .._core.http_library import UNSET, library_of
from .._core.units import seconds, show
from .faulty_websocket import socket_exchange
from .transport import MAKES_EXCHANGE
from .websocket_errors import ABNORMAL, WebSocketClosed, WebSocketRejected
from .websocket_message_checks import encodable, sendable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from .bound_client import BoundClient
    from .errors import ProtocolViolation
    from .protocols import ClientFaultEffects
    from .scope import ScopeBuilder
    from .websocket_exchange import SocketExchange

_HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    # The sample of RFC 6455: it only tells a WebSocket server from a cache, and a random
    # one would make two runs of a test differ.
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_AS_REQUEST = UNSET  # as the handshake's `read` timeout


class WebSocket:
    """The client's end of a WebSocket; enter it to connect.

    `close_code` and `close_reason` are None until it is closed by either side.

    Attributes:
        response: The library's response to the handshake, once it is entered.

    Example:
        ```python
        async with asgi_client.websocket("/ws") as ws:
            await ws.send_json({"subscribe": "orders"})
            assert await ws.receive_json(timeout="2s") == {"subscribed": "orders"}
        ```
    """

    def __init__(
        self,
        client: BoundClient,
        url: Any,
        *,
        subprotocols: Sequence[str] = (),
        headers: Any = None,
        auth: Any = UNSET,
        **options: Any,
    ) -> None:
        self._client: Any = client
        self._core = client.asgi
        self._auth = {} if auth is UNSET else {"auth": auth}
        self._request: Any = client.build_request("GET", url, headers=headers, **options)
        self._request.headers.update(_HANDSHAKE)
        if subprotocols:
            self._request.headers["sec-websocket-protocol"] = ", ".join(subprotocols)
        self._library = library_of(self._request)
        self._connected: SocketExchange | None = None
        self._told: ProtocolViolation | None = None
        self.response: Any = None

    def _make_exchange(
        self, scopes: ScopeBuilder, request: Any, plan: ClientFaultEffects | None
    ) -> SocketExchange:
        self._connected = socket_exchange(scopes, request, plan)
        return self._connected

    @property
    def _exchange(self) -> SocketExchange:
        if self._connected is None:
            path = self._request.url.path
            raise RuntimeError(
                f"WS {path}: it is not connected. Write: async with "
                f'asgi_client.websocket("{path}") as ws: ...'
            )
        return self._connected

    async def __aenter__(self) -> Self:
        """Connect. Raises `WebSocketRejected`, the app's own exception, or `ReadTimeout`."""
        request = self._request
        request.extensions = {**request.extensions, MAKES_EXCHANGE: self._make_exchange}
        try:
            self.response = await self._client.send(request, stream=True, **self._auth)
        finally:
            request.extensions.pop(MAKES_EXCHANGE, None)  # knows this object
        if self.response.status_code != 101:
            await self.response.aread()
            raise WebSocketRejected(f"WS {request.url.path}", self.response)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave with 1000: the app gets the disconnect and its grace, then is cancelled.

        Raises the app's own exception, unless the test's is on its way already.
        """
        if not self._exchange.over:
            self._exchange.close(1000, "")
        await self.response.aclose()
        violation = self._exchange.violation
        if error is None and violation is not None and violation is not self._told:
            raise violation

    # What the handshake came to

    @property
    def headers(self) -> Any:
        """The headers of the handshake's response, those of `websocket.accept` among them."""
        return self.response.headers

    @property
    def accepted_subprotocol(self) -> str | None:
        """What the app chose of the `subprotocols` that were offered."""
        return self._exchange.subprotocol

    @property
    def close_code(self) -> int | None:
        """The code it was closed with; 1006 if the app ended without a close."""
        return self._ending()[0] if self._exchange.over else None

    @property
    def close_reason(self) -> str | None:
        """The reason it was closed with, `""` if none was given."""
        return self._ending()[1] if self._exchange.over else None

    def _ending(self) -> tuple[int, str, str]:
        return self._exchange.closed or (ABNORMAL, "", "the app ended without closing it")

    # Messages

    async def receive(self, timeout: float | str | None = _AS_REQUEST) -> str | bytes:
        """The next message.

        Args:
            timeout: How long to wait for it: seconds, or `"2s"`; the timeout of the WebSocket if it
                is not given, no limit for None.

        Returns:
            Text as str, binary as bytes.

        Raises:
            WebSocketClosed: After the last message.
            ReadTimeout: The library's own, if no message came in time.
            Exception: The app's own exception, if it failed.
        """
        exchange = self._exchange
        if not await self._until(lambda: exchange.messages or exchange.over, timeout):
            limit = show(self._limit(timeout) or 0)
            raise self._library.ReadTimeout(
                f"{exchange.label}: the app sent nothing for {limit}", request=self._request
            )
        if exchange.messages:
            return exchange.take_message()
        raise await self._why_over()

    async def receive_text(self, timeout: float | str | None = _AS_REQUEST) -> str:
        """The next message, which must be text.

        Args:
            timeout: As for `receive`.

        Returns:
            The text.

        Raises:
            TypeError: If the message is binary.
        """
        message = await self.receive(timeout)
        if isinstance(message, str):
            return message
        raise TypeError(self._unexpected("text", "bytes", message))

    async def receive_bytes(self, timeout: float | str | None = _AS_REQUEST) -> bytes:
        """The next message, which must be binary.

        Args:
            timeout: As for `receive`.

        Returns:
            The bytes.

        Raises:
            TypeError: If the message is text.
        """
        message = await self.receive(timeout)
        if isinstance(message, bytes):
            return message
        raise TypeError(self._unexpected("bytes", "text", message))

    async def receive_json(self, timeout: float | str | None = _AS_REQUEST) -> Any:
        """The next message, text or binary, parsed as JSON.

        Args:
            timeout: As for `receive`.

        Returns:
            The JSON value.

        Raises:
            json.JSONDecodeError: If the message is not JSON.
        """
        return json.loads(await self.receive(timeout))

    async def send(self, data: str | bytes) -> None:
        """Send a message. Waits while the app has 64 KiB still to receive.

        Args:
            data: Text (a str) or bytes.

        Raises:
            WebSocketClosed: Once it is closed.
            WriteTimeout: The library's own, if the app receives nothing for as long as the client's
                timeout.
            TypeError: If `data` is neither str nor bytes.
            ValueError: If the text has half of a surrogate pair, which has no UTF-8.
        """
        exchange = self._exchange
        payload = bytes(data) if isinstance(data, (bytearray, memoryview)) else data
        if not isinstance(payload, (str, bytes)):
            raise TypeError(
                f"{exchange.label}: a message is str or bytes, not {type(data).__name__}. "
                "Fix: send_json(data), or encode it."
            )
        if isinstance(payload, str) and not encodable(payload):
            raise ValueError(
                f"{exchange.label}: {payload[:60]!r} cannot be sent as text: half of a surrogate "
                "pair has no UTF-8. Fix: cut text by characters."
            )
        if not await self._until(lambda: exchange.over or not exchange.full, _AS_REQUEST):
            raise self._library.WriteTimeout(
                f"{exchange.label}: the app received nothing for "
                f"{show(self._limit(_AS_REQUEST) or 0)}",
                request=self._request,
            )
        if exchange.over:
            raise await self._why_over()
        exchange.deliver(payload)

    async def send_json(self, data: Any) -> None:
        """Send `data` as JSON, in a text message.

        Args:
            data: A JSON value.
        """
        await self.send(json.dumps(data, separators=(",", ":"), ensure_ascii=False))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, and let the app end: for no longer than its grace period.

        Closing twice does nothing.

        Args:
            code: The close code: 1000, 1001, 1003, 1007 to 1014, or one of 3000 to 4999.
            reason: The reason, as text.

        Raises:
            ValueError: For a code that cannot be sent.
        """
        if not sendable(code):
            raise ValueError(
                f"close code {code!r} cannot be sent. Fix: use 1000, 1001, 1003, 1007-1014 or "
                "one of 3000-4999; .abort() loses the connection without a close."
            )
        if not self._exchange.over:
            self._exchange.close(code, reason)
        await self._let_it_end()

    async def abort(self) -> None:
        """Lose the connection without a close: the app receives 1005, as from uvicorn."""
        if not self._exchange.over:
            self._exchange.disconnect()
        await self._let_it_end()

    async def _let_it_end(self) -> None:
        with anyio.move_on_after(self._core.grace):
            while not self._exchange.finished:
                await self._exchange.changed()

    def __aiter__(self) -> Self:
        """All messages until the close, whatever its code."""
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except WebSocketClosed:
            raise StopAsyncIteration from None

    # Waiting

    async def _until(self, ready: Callable[[], bool], timeout: Any) -> bool:
        if ready():
            return True
        with anyio.move_on_after(self._limit(timeout)):
            while not ready():
                await self._exchange.changed()
        return ready()

    def _limit(self, timeout: Any) -> float | None:
        if timeout is _AS_REQUEST:
            return self._core.read_timeout(self._request)
        return None if timeout is None else seconds(timeout)

    async def _why_over(self) -> BaseException:
        """The app's exception, a breach of the protocol, the lost connection, or the close."""
        exchange = self._exchange
        await self._core.leave_cut(exchange)
        violation = exchange.violation
        error = exchange.take_error() if exchange.raises else None
        if error is None and exchange.error is None and violation is not self._told:
            error = violation
        if error is not None and error is violation:
            self._told = violation
        if exchange.cut and error is None:
            error = self._library.ReadError(
                f"{exchange.label}: the client left: {exchange.cut}", request=self._request
            )
        return error or WebSocketClosed(exchange.label, *self._ending())

    def _unexpected(self, wanted: str, got: str, message: str | bytes) -> str:
        start = f"{message[:60]!r}" + ("..." if len(message) > 60 else "")
        return (
            f"{self._exchange.label}: expected {wanted}, but the app sent {got}: {start}. "
            f"Fix: receive_{got}(), or receive() for either."
        )

    def __repr__(self) -> str:
        if self.response is None:
            state = "not connected"
        else:
            state = f"closed ({self.close_code})" if self._exchange.over else "open"
        return f"<WebSocket {self._request.url.path}: {state}>"
