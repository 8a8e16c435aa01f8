"""One request and its response, seen from the app: `receive()` and `send()`.

The other side (the transport) waits for `finished`, `started` or chunks. It
knows the ASGI messages, not httpx. Back-pressure applies only to a caller who
streams: one who reads nothing until the end would otherwise wait for ever.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .errors import ClientDisconnected
from .messages import checked_body, checked_start
from .optional import send_optional, trailers_promised
from .served import Served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# What uvicorn (asyncio's transports) lets an app write ahead of a client that does not read,
# and how little of it must be left before the app goes on, in bytes.
HIGH_WATER = 64 * 1024
LOW_WATER = HIGH_WATER // 4
# How much an app may send without ever letting go of the loop: it must stay cancellable.
PAUSE = 1024 * 1024


class Exchange(Served):
    """The state of one request; `receive` and `send` are what the app is given."""

    __slots__ = (
        "_body",
        "_body_iterator",
        "_buffered",
        "_declared",
        "_pause_at",
        "_request_over",
        "_sent",
        "_trailing",
        "chunks",
        "complete",
        "cut",
        "extensions",
        "headers",
        "note",
        "raises",
        "request_error",
        "started",
        "status",
        "streaming",
        "trailers_missing",
    )

    def __init__(
        self,
        scope: dict[str, Any],
        body: bytes | AsyncIterator[bytes],
        *,
        label: str,
        streaming: bool,
    ) -> None:
        super().__init__(scope, label=label)
        self.streaming = streaming
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: deque[bytes] = deque()
        self.started = self.complete = False
        self.request_error: BaseException | None = None
        self.raises = True  # the app's exception reaches the caller as itself
        self.cut = ""  # why the client has left before the end, if it was made to
        self.note: Callable[[str], None] | None = None
        self.extensions: dict[str, Any] | None = None  # of the response
        self.trailers_missing = False  # the body is over, and trailers were promised
        self._trailing = False
        self._body = body if isinstance(body, bytes) else b""
        self._body_iterator = None if isinstance(body, bytes) else body
        self._request_over = False
        self._buffered = 0
        self._declared: int | None = None
        self._sent = 0
        self._pause_at = PAUSE

    # What the app sees

    async def receive(self) -> dict[str, Any]:
        """The next `http.request`, then `http.disconnect` once there is nobody left."""
        if self.disconnected:
            await self.pass_loop()
            return {"type": "http.disconnect"}
        if not self._request_over:
            return await self._receive_body()
        while not (self.disconnected or self.complete):
            await self._freed.wait()
        return {"type": "http.disconnect"}

    async def _receive_body(self) -> dict[str, Any]:
        if self._body_iterator is None:
            self._request_over = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        try:
            chunk = await anext(self._body_iterator)
        except StopAsyncIteration:
            self._request_over = True
            return {"type": "http.request", "body": b"", "more_body": False}
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            # The caller's own generator failed: that is the caller's error, and for
            # the app the client has gone in the middle of its upload.
            self.request_error = error
            self.disconnect()
            self._changed.fire()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(self, message: dict[str, Any]) -> None:
        """Take one message of the app; raises `ProtocolViolation` where it breaks the protocol."""
        if self.disconnected and not self.complete:
            await self.pass_loop()
            if self.scope["asgi"]["spec_version"] >= "2.4":
                raise ClientDisconnected(f"{self.label}: the client has disconnected")
            return
        kind = message.get("type")
        if kind == "http.response.body":
            await self._send_body(message)
        elif kind == "http.response.start":
            if self.started:
                raise self.violated("sent http.response.start twice", "send it once")
            self.status, self.headers, self._declared = checked_start(self, message)
            if message.get("trailers"):
                self._trailing = trailers_promised(self)
            self.started = True
            self._progress()
        else:
            await send_optional(self, message)

    async def _send_body(self, message: dict[str, Any]) -> None:
        if not self.started:
            raise self.violated(
                "sent http.response.body before http.response.start",
                "send the status and headers first",
            )
        if self.complete:
            return  # the specification: ignored after the response is complete
        chunk = checked_body(self, message)
        if self.scope.get("method") != "HEAD":
            self._sent += len(chunk)
            if chunk:
                self.chunks.append(chunk)
                self._buffered += len(chunk)
        if message.get("more_body", False):
            self._progress()
            if self.streaming and self._buffered > HIGH_WATER:
                while self._buffered > LOW_WATER and not self.disconnected:
                    await self._freed.wait()
            if self._sent >= self._pause_at:
                self._pause_at = self._sent + PAUSE
                await anyio.lowlevel.checkpoint()
            return
        self._check_length()
        if self._trailing:
            self.trailers_missing = True
            self._progress()
        else:
            self.end()

    def end(self) -> None:
        """The response is complete."""
        self.complete = True
        self._progress()
        self._changed.fire()
        self._freed.fire()

    def _check_length(self) -> None:
        declared = self._declared
        no_body = (
            self.scope.get("method") == "HEAD" or self.status in (204, 304) or self.status < 200
        )
        if declared is not None and not no_body and declared != self._sent:
            raise self.violated(
                f"declared Content-Length: {declared} but sent {self._sent} bytes",
                "let the framework set the header, or send what was declared",
            )

    def _progress(self) -> None:
        if self.streaming:
            self._changed.fire()  # whoever waits takes the time
        else:
            self.last_progress = self.now()

    # What the transport does with it

    def take(self) -> bytes:
        """The next buffered chunk; makes room for the app to send more."""
        chunk = self.chunks.popleft()
        self._buffered -= len(chunk)
        if self._buffered <= LOW_WATER:
            self._freed.fire()
        return chunk

    def __repr__(self) -> str:
        state = "finished" if self.finished else "complete" if self.complete else "open"
        return f"<Exchange {self.label}: {state}, status {self.status or None}>"
