"""One request and its response, seen from the app: `receive()` and `send()`.

The other side (the transport) waits for `finished`, `started` or chunks. It
knows the ASGI messages, not httpx. Back-pressure applies only to a caller who
streams: one who reads nothing until the end would otherwise wait forever.
"""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .._core.tasks import Signal
from .app_run import AppRun
from .asgi_extensions import send_optional, trailers_promised
from .errors import ClientDisconnected
from .message_checks import checked_body, checked_start, note_dropped_body
from .upload import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# How far an app may run ahead of a client that does not read, and how little of that must be left
# before it goes on, in bytes: what uvicorn keeps (64 KiB), and some of what the kernel does.
HIGH_WATER = 256 * 1024
LOW_WATER = HIGH_WATER // 4
# Chunks are handed over one by one, as httpx does with those of a server. Where so many wait
# that the app is far ahead, they are joined up to so many bytes, which HTTP allows anybody.
CROWD = 16
AT_ONCE = 64 * 1024
_BODY = "http.response.body"
NO_BODY = frozenset((204, 304))  # the statuses whose responses have no body
# How much an app may send without ever letting go of the loop: it must stay cancellable.
PAUSE = 1024 * 1024


class Exchange(AppRun):
    """The state of one request; `receive` and `send` are what the app is given."""

    __slots__ = (
        "_bodiless",
        "_body",
        "_declared",
        "_flows",
        "_gone",
        "_pause_at",
        "_request_over",
        "_sent",
        "_taken",
        "_trailing",
        "_upload",
        "chunks",
        "complete",
        "cut",
        "extensions",
        "headers",
        "raises",
        "request_error",
        "started",
        "status",
        "streaming",
        "trailers_missing",
        "warn",
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
        self.streaming: bool = streaming
        self.status: int = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: deque[bytes] = deque()
        self.started: bool = False
        self.complete: bool = False
        self.request_error: BaseException | None = None
        self.raises: bool = True  # the app's exception reaches the caller as itself
        self.cut: str = ""  # why the client has left before the end, if it was made to
        self.warn: Callable[[str], None] | None = None
        self.extensions: dict[str, Any] | None = None  # of the response
        self.trailers_missing: bool = False  # the body is over, and trailers were promised
        self._trailing = self._bodiless = False
        self._flows = False  # somebody reads while the body comes
        self._body = body if isinstance(body, bytes) else b""
        self._upload = None if isinstance(body, bytes) else Upload(body, copy_context(), label)
        self._request_over = False
        self._declared: int | None = None
        self._gone = Signal()  # not `_freed`: who listens for the end is not woken by each chunk
        self._sent = self._taken = 0  # bytes of the body: by the app, by the client
        self._pause_at = HIGH_WATER if streaming else PAUSE

    # What the app sees

    async def receive(self) -> dict[str, Any]:
        """The next `http.request`, then `http.disconnect` once there is nobody left."""
        if self.disconnected:
            await self.yield_after_disconnect()
            return {"type": "http.disconnect"}
        if not self._request_over:
            return await self._receive_body()
        while not (self.disconnected or self.complete):
            await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _receive_body(self) -> dict[str, Any]:
        if self._upload is None:
            self._request_over = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        try:
            chunk = await self._upload.next()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            # The caller's own generator failed: that is the caller's error, and for
            # the app the client has gone in the middle of its upload.
            self.request_error = error
            self.disconnect()
            self._changed.fire()
            return {"type": "http.disconnect"}
        if chunk is None:
            self._request_over = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(self, message: dict[str, Any]) -> None:
        """Take one message of the app; raises `ProtocolViolation` where it breaks the protocol."""
        # The short way, for what an app sends most: one more chunk, to one who reads.
        if self._flows and message.get("more_body") and message.get("type") == _BODY:
            chunk = message.get("body")
            if type(chunk) is bytes and chunk:
                self.chunks.append(chunk)
                self._sent = sent = self._sent + len(chunk)
                if sent > self._pause_at:
                    await self._hold_back()
                elif self._changed.event is not None:
                    self._changed.fire()
                return
        await self._send_any(message)

    async def _send_any(self, message: dict[str, Any]) -> None:
        if self.disconnected and not self.complete:
            await self.yield_after_disconnect()
            if self.scope["asgi"]["spec_version"] >= "2.4":
                raise ClientDisconnected(f"{self.label}: the client has disconnected")
            return
        kind = message.get("type")
        if kind == _BODY:
            self._take_body(message)
            if self._sent > self._pause_at and not self.complete:
                await self._hold_back()
        elif kind == "http.response.start":
            self._start(message)
        else:
            await send_optional(self, message)

    def _start(self, message: dict[str, Any]) -> None:
        if self.started:
            raise self.record_violation("sent http.response.start twice", "send it once")
        self.status, self.headers, self._declared = checked_start(self, message)
        if message.get("trailers"):
            self._trailing = trailers_promised(self)
        self.started = True
        self._bodiless = self.scope.get("method") == "HEAD" or self.status in NO_BODY
        self._flows = self.streaming and not self._bodiless
        self._progress()

    def _take_body(self, message: dict[str, Any]) -> None:
        if not self.started:
            raise self.record_violation(
                "sent http.response.body before http.response.start",
                "send the status and headers first",
            )
        if self.complete:
            return  # the specification: ignored after the response is complete
        chunk = checked_body(self, message)
        if chunk and not self._bodiless:
            self._sent += len(chunk)
            self.chunks.append(chunk)
        elif chunk and self.status in NO_BODY:
            note_dropped_body(self)
        if message.get("more_body", False):
            self._progress()
            return
        self._check_length()
        if self._trailing:
            self.trailers_missing = True
            self._progress()
        else:
            self.end()

    async def _hold_back(self) -> None:
        """Wait until the client has read; one who reads at the end only lets others run."""
        self._progress()
        if not self.streaming:
            self._pause_at = self._sent + PAUSE
            await anyio.lowlevel.checkpoint()
            return
        if self._sent - self._taken > HIGH_WATER:
            while self._sent - self._taken > LOW_WATER and not self.disconnected:
                await self._freed.wait()
        self._pause_at = self._taken + HIGH_WATER

    @property
    def in_background(self) -> bool:
        """Has the client all of the response, while the app still runs?"""
        return self.complete and not (self.finished or self.disconnected)

    def end(self) -> None:
        """The response is complete."""
        self.complete, self._flows = True, False
        self._progress()
        self._changed.fire()
        self._freed.fire()
        self._gone.fire()

    def disconnect(self) -> None:
        """The client goes: wakes a blocked `receive()` and a blocked `send()`."""
        super().disconnect()
        self._flows = False
        self._gone.fire()

    def _on_finished(self) -> None:
        if self._upload is not None:
            self._upload.close()

    def _check_length(self) -> None:
        declared = self._declared
        if declared is not None and not self._bodiless and declared != self._sent:
            raise self.record_violation(
                f"declared Content-Length: {declared} but sent {self._sent} bytes",
                "let the framework set the header, or send what was declared",
            )

    def _progress(self) -> None:
        if self.streaming:
            self._changed.fire()  # whoever waits takes the time
        else:
            self.last_progress: float = self.now()

    # What the transport does with it

    def take(self) -> bytes:
        """The next of what is buffered; lets the app send more."""
        chunk = self.chunks.popleft()
        if len(self.chunks) >= CROWD:
            chunk = self._joined(chunk)
        self._taken += len(chunk)
        if self._sent - self._taken <= LOW_WATER:
            self._freed.fire()
        return chunk

    def _joined(self, first: bytes) -> bytes:
        parts, size = [first], len(first)
        while self.chunks and (size := size + len(self.chunks[0])) <= AT_ONCE:
            parts.append(self.chunks.popleft())
        return b"".join(parts)

    def __repr__(self) -> str:
        state = "finished" if self.finished else "complete" if self.complete else "open"
        return f"<Exchange {self.label}: {state}, status {self.status or None}>"
