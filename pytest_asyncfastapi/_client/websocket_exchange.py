"""One WebSocket, seen from the app: `receive()` and `send()`.

Its handshake is an HTTP exchange, answered with 101 when the app accepts, with
403 when it closes instead, or with the response of its own choice. Messages
are kept as the app sends them: there are no frames. Both directions hold back
whoever sends while `HIGH_WATER` bytes wait, as the buffers of a socket do.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

from .errors import ClientDisconnected
from .exchange import Exchange
from .message_checks import checked_start
from .websocket_errors import ABNORMAL
from .websocket_message_checks import (
    checked_close,
    checked_payload,
    checked_subprotocol,
    echoes_disconnect,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
HIGH_WATER = 64 * 1024  # bytes of messages that wait, in each direction
_NO_CODE = 1005
_OVERHEAD = 2  # of a frame: also a stream of empty messages has to be held back


class SocketExchange(Exchange):
    """The state of one WebSocket; `receive` and `send` are what the app is given."""

    __slots__ = (
        "_denying",
        "_from_app",
        "_from_client",
        "_waiting_for_app",
        "_waiting_for_client",
        "closed",
        "closed_by_app",
        "subprotocol",
    )

    def __init__(self, scope: dict[str, Any], *, label: str) -> None:
        super().__init__(scope, b"", label=label, streaming=True)
        self.subprotocol: str | None = None
        self.closed: tuple[int, str, str] | None = None  # code, reason, who closed
        self.closed_by_app = False
        self._denying = False
        self._from_app: deque[str | bytes] = deque()
        self._from_client: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._waiting_for_app = self._waiting_for_client = 0  # bytes

    @property
    def accepted(self) -> bool:
        """Is the handshake over, with a WebSocket as its result?"""
        return self.started and self.status == 101

    @property
    def in_background(self) -> bool:
        """A WebSocket has no background: its app ends with it."""
        return False

    async def run(self, app: Callable[..., Any]) -> None:
        """Call the app to its end; noticing that the WebSocket is over is not an error."""
        await super().run(app)
        if self.closed is not None and echoes_disconnect(self.error):
            self.error = None
        if not (self.started or self.disconnected or self.error or self.violation):
            self.record_violation(
                "returned without accepting or closing the WebSocket",
                "send websocket.accept or websocket.close on every path",
            )

    # What the app sees

    async def receive(self) -> dict[str, Any]:
        """`websocket.connect`, what the client sends, and at last one `websocket.disconnect`.

        After that one it waits, as uvicorn does: an app that goes on receiving is cancelled.
        """
        while not self._from_client:
            await self._freed.wait()
        message = self._from_client.popleft()
        if message["type"] == "websocket.receive":
            self._waiting_for_app -= _size(message.get("text") or message.get("bytes") or "")
            self._changed.fire()
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """Take one message of the app; raises `ProtocolViolation` where it breaks the protocol."""
        while self._waiting_for_client > HIGH_WATER and not self.disconnected:
            await self._freed.wait()
        kind = message.get("type")
        if self.disconnected:
            await self.yield_after_disconnect()
            raise ClientDisconnected(f"{self.label}: the client has disconnected")
        if self._denying:
            await self._deny(kind, message)
        elif self.closed is not None:
            raise self.record_violation(
                f"sent {kind} after websocket.close", "return once the WebSocket is closed"
            )
        elif self.accepted:
            self._on_message(kind, message)
        else:
            await self._handshake(kind, message)
        self._changed.fire()

    async def _handshake(self, kind: Any, message: dict[str, Any]) -> None:
        if kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.close":
            self.status, self.started, self.complete = 403, True, True
            self._set_closed(ABNORMAL, "", "the app rejected it")
        elif kind == "websocket.http.response.start":
            await super().send({**message, "type": "http.response.start"})
            self._denying = True
        else:
            raise self.record_violation(
                f"sent {kind!r} before websocket.accept", "accept or close the WebSocket first"
            )

    def _accept(self, message: dict[str, Any]) -> None:
        _, headers, _ = checked_start(self, message, handshake=True)
        self.subprotocol = checked_subprotocol(self, message)
        key = dict(self.scope["headers"]).get(b"sec-websocket-key", b"")
        digest = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        headers += [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", digest),
        ]
        if self.subprotocol is not None:
            headers.append((b"sec-websocket-protocol", self.subprotocol.encode()))
        self.status, self.headers, self.started = 101, headers, True

    async def _deny(self, kind: Any, message: dict[str, Any]) -> None:
        if kind != "websocket.http.response.body":
            raise self.record_violation(
                f"sent {kind!r} after websocket.http.response.start",
                "send websocket.http.response.body, and nothing else",
            )
        await super().send({**message, "type": "http.response.body"})
        if self.complete:
            self._set_closed(ABNORMAL, "", "the app rejected it")

    def _on_message(self, kind: Any, message: dict[str, Any]) -> None:
        if kind == "websocket.send":
            payload = checked_payload(self, message)
            self._from_app.append(payload)
            self._waiting_for_client += _size(payload)
        elif kind == "websocket.close":
            self._set_closed(*checked_close(self, message), "the app closed it")
            self.closed_by_app = True
        elif kind == "websocket.accept":
            raise self.record_violation("sent websocket.accept twice", "accept once")
        else:
            raise self.record_violation(
                f"sent a message of type {kind!r}, which an open WebSocket does not have",
                "send websocket.send or websocket.close",
            )

    def _set_closed(self, code: int, reason: str, by: str, told: int | None = None) -> None:
        """Closed, by either side: the app's next word is that it is disconnected."""
        if self.closed is None:
            self.closed = (code, reason, by)
            self._from_client.append(
                {"type": "websocket.disconnect", "code": told or code, "reason": reason}
            )
            self._freed.fire()
            self._changed.fire()

    # What the client does with it

    @property
    def messages(self) -> bool:
        """Has the app sent something that has not been taken?"""
        return bool(self._from_app)

    @property
    def over(self) -> bool:
        """Will the app send nothing more, beyond the messages that wait?"""
        return self.closed is not None or self.finished

    @property
    def full(self) -> bool:
        """Does more wait for the app than it may?"""
        return self._waiting_for_app > HIGH_WATER

    def take_message(self) -> str | bytes:
        """The next message of the app; lets it send more."""
        payload = self._from_app.popleft()
        self._waiting_for_client -= _size(payload)
        self._freed.fire()
        return payload

    def wake(self) -> None:
        """Let those who wait for the app look again."""
        self._changed.fire()

    def deliver(self, payload: str | bytes) -> None:
        """Give the app a message."""
        key = "text" if isinstance(payload, str) else "bytes"
        self._from_client.append({"type": "websocket.receive", key: payload})
        self._waiting_for_app += _size(payload)
        self._freed.fire()

    def close(self, code: int, reason: str) -> None:
        """The client goes, with a close of its own."""
        self._set_closed(code, reason, "the client closed it")
        super().disconnect()

    def disconnect(self) -> None:
        """The client goes without a word: its connection is lost."""
        # The specification: 1005 where no code was received. Before the accept as uvicorn.
        told = _NO_CODE if self.accepted else ABNORMAL
        self._set_closed(ABNORMAL, "", "the client lost the connection", told)
        super().disconnect()

    def __repr__(self) -> str:
        state = "finished" if self.finished else "closed" if self.closed else "open"
        return f"<SocketExchange {self.label}: {state}, status {self.status or None}>"


def _size(payload: str | bytes) -> int:
    return len(payload) + _OVERHEAD
