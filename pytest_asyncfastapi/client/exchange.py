"""One request and its response, seen from the app: `receive()` and `send()`.

The other side (the transport) waits for `finished`, `started` or chunks. It
knows the ASGI messages, not httpx. Back-pressure applies only to a caller who
streams: one who reads nothing until the end would otherwise wait for ever.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from ..activity import border
from ..tasks import Signal, Spawned
from .errors import AppStillRunning, ClientDisconnected, ProtocolViolation
from .messages import checked_body, checked_start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# What uvicorn lets an app write ahead of a client that does not read, in bytes.
HIGH_WATER = 64 * 1024
_PATIENCE = 3  # times that an app is cancelled before we say that it will not stop


class Exchange:
    """The state of one request; `receive` and `send` are what the app is given."""

    __slots__ = (
        "_body",
        "_body_iterator",
        "_buffered",
        "_changed",
        "_declared",
        "_freed",
        "_request_over",
        "_sent",
        "chunks",
        "complete",
        "disconnected",
        "error",
        "finished",
        "headers",
        "label",
        "last_progress",
        "now",
        "request_error",
        "scope",
        "started",
        "status",
        "streaming",
        "task",
        "violation",
    )

    def __init__(
        self,
        scope: dict[str, Any],
        body: bytes | AsyncIterator[bytes],
        *,
        label: str,
        streaming: bool,
    ) -> None:
        self.scope = scope
        self.label = label
        self.streaming = streaming
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: deque[bytes] = deque()
        self.started = self.complete = self.finished = self.disconnected = False
        self.error: BaseException | None = None
        self.violation: ProtocolViolation | None = None
        self.request_error: BaseException | None = None
        self.task: Spawned | None = None
        self.now: Callable[[], float] | None = None
        self.last_progress = 0.0
        self._body = body if isinstance(body, bytes) else b""
        self._body_iterator = None if isinstance(body, bytes) else body
        self._request_over = False
        self._buffered = 0
        self._declared: int | None = None
        self._sent = 0
        self._changed = Signal()  # the app did something: wakes the caller
        self._freed = Signal()  # the caller did something: wakes the app

    # What the app sees

    async def receive(self) -> dict[str, Any]:
        """The next `http.request`, then `http.disconnect` once there is nobody left."""
        if self.disconnected:
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
            self.started = True
            self._progress()
        else:
            raise self.violated(
                f"sent a message of type {kind!r}, which HTTP does not have",
                "send http.response.start and http.response.body",
            )

    async def _send_body(self, message: dict[str, Any]) -> None:
        if not self.started:
            raise self.violated(
                "sent http.response.body before http.response.start",
                "send the status and headers first",
            )
        if self.complete:
            return  # the specification: ignored after the response is complete
        chunk = checked_body(self, message)
        if self.scope["method"] != "HEAD":
            self._sent += len(chunk)
            if chunk:
                self.chunks.append(chunk)
                self._buffered += len(chunk)
        if message.get("more_body", False):
            self._progress()
            while self.streaming and self._buffered > HIGH_WATER and not self.disconnected:
                await self._freed.wait()
            return
        self.complete = True
        self._check_length()
        self._progress()
        self._changed.fire()
        self._freed.fire()

    def _check_length(self) -> None:
        declared = self._declared
        no_body = self.scope["method"] == "HEAD" or self.status in (204, 304) or self.status < 200
        if declared is not None and not no_body and declared != self._sent:
            raise self.violated(
                f"declared Content-Length: {declared} but sent {self._sent} bytes",
                "let the framework set the header, or send what was declared",
            )

    def violated(self, what: str, remedy: str) -> ProtocolViolation:
        """Record a breach of the protocol, worded; returned to be raised in the app."""
        self.violation = ProtocolViolation(
            f"{self.label}: the app {what}; a real server refuses this. Fix: {remedy}."
        )
        return self.violation

    def _progress(self) -> None:
        if self.now is not None:
            self.last_progress = self.now()
        if self.streaming:
            self._changed.fire()

    # What the transport does with it

    async def run(self, app: Callable[..., Any]) -> None:
        """Call the app to its end. Whatever it raises is kept, not raised."""
        border()
        try:
            await app(self.scope, self.receive, self.send)
        except anyio.get_cancelled_exc_class() as error:
            if not self.disconnected:
                self.error = error
            raise
        except BaseException as error:
            self.error = error
        finally:
            border()
            self.finished = True
            self._changed.fire()

    def disconnect(self) -> None:
        """The client goes: wakes a blocked `receive()` and a blocked `send()`."""
        self.disconnected = True
        self._freed.fire()

    async def changed(self) -> None:
        """Wait until the app has done something that the caller may want to see."""
        await self._changed.wait()

    def take(self) -> bytes:
        """The next buffered chunk; makes room for the app to send more."""
        chunk = self.chunks.popleft()
        self._buffered -= len(chunk)
        self._freed.fire()
        return chunk

    async def abandon(self, grace: float) -> None:
        """Leave: tell the app, give it `grace` seconds, then cancel it and wait.

        Raises `AppStillRunning` if it will not stop even then.
        """
        with anyio.CancelScope(shield=True):
            self.disconnect()
            await self._wait_finished(grace)
            for _ in range(_PATIENCE):
                if self.finished:
                    return
                if self.task is not None:
                    self.task.cancel()
                await self._wait_finished(1.0)
        if not self.finished:
            raise AppStillRunning(
                f"{self.label}: the app still runs after the client had left and after it was "
                f"cancelled {_PATIENCE} times; it would leak in production. Fix: let "
                "CancelledError pass (no bare `except BaseException` around an await)."
            )

    async def _wait_finished(self, patience: float) -> None:
        with anyio.move_on_after(patience):
            while not self.finished:
                await self._changed.wait()

    def __repr__(self) -> str:
        state = "finished" if self.finished else "complete" if self.complete else "open"
        return f"<Exchange {self.label}: {state}, status {self.status or None}>"
