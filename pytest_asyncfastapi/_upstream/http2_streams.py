"""Plays the streams of an HTTP/2 connection, for an async client and for a sync one.

Whoever reads plays for all: httpcore lets one call read for every other. What
is due is said together, as a server's small answer comes in one piece. On an
event loop an answer that takes its time is made by a task of its own, so that
it holds up only its own stream, and does not depend on who reads. A sync
client's answers are made by the thread that reads.
"""

from __future__ import annotations

import time
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx

from .._core.tasks import Signal, spawn
from .real_waits import timed_out

if TYPE_CHECKING:
    from .http2 import Http2
    from .http2_requests import Http2Stream


class AsyncStreams:
    """The streams of one connection, on an event loop."""

    def __init__(self, http2: Http2) -> None:
        self._http2 = http2
        self._changed = Signal()

    def on_data(self) -> None:
        """The client has written: who reads looks again."""
        self._changed.fire()

    async def next(self, limit: int) -> bytes:
        """The next bytes, empty at the end; raises `ConnectionResetError` on RST."""
        await anyio.lowlevel.checkpoint()
        peer = self._http2.peer
        while not (self._http2.ended or peer.is_full(limit)):
            if peer.broken and not peer.waiting:
                raise self._http2.error
            now = anyio.current_time()
            stream = self._http2.soonest(now)
            due = None if stream is None else stream.due or 0.0
            if stream is None or due is None or due > now:
                if peer.waiting:
                    break
                with anyio.move_on_after(None if due is None else due - now):
                    await self._changed.wait()
                continue
            wants = self._http2.step(stream, now)
            if wants:
                self._begin(stream, wants)
            if stream.over:
                await _release(stream)
                self._http2.forget(stream)
        return peer.read(limit)

    def _begin(self, stream: Http2Stream, wants: str) -> None:
        if wants == "chunk" and _at_hand(stream):
            self._http2.supply(stream, next(stream.chunks, b""), anyio.current_time())
            return
        context = stream.script.context if stream.script is not None else None
        fetching = self._fetch(stream, wants)
        stream.task, _ = spawn(fetching, _fresh(context), "asyncfastapi upstream answer")

    async def _fetch(self, stream: Http2Stream, wants: str) -> None:
        try:
            if wants == "ask" and stream.script is not None:
                value = await stream.script.answer()
            else:
                if stream.chunks is None:
                    stream.chunks = aiter(stream.response.stream)
                value = await _next_chunk(stream.chunks)
        except BaseException as error:
            if isinstance(error, anyio.get_cancelled_exc_class()):
                raise
            self._http2.fail(stream)  # the call itself raises what its answer raised
        else:
            self._http2.supply(stream, value, anyio.current_time())
        finally:
            self._changed.fire()

    async def aclose(self) -> None:
        """The client hangs up: nothing is made for it any more."""
        for stream in list(self._http2.streams.values()):
            if stream.busy and stream.task is not None:
                stream.task.cancel()
            await _release(stream)


class SyncStreams:
    """The streams of one connection, with real waiting."""

    def __init__(self, http2: Http2) -> None:
        self._http2 = http2

    def on_data(self) -> None:
        """The client has written: who reads looks again. The lock is held."""
        self._http2.lock.notify_all()

    def next(self, limit: int, deadline: float | None) -> bytes:
        """The next bytes, empty at the end; raises as a socket does. `deadline` is monotonic."""
        peer, lock = self._http2.peer, self._http2.lock
        while True:
            with lock:
                if self._http2.ended or peer.is_full(limit):
                    return peer.read(limit)
                if peer.broken and not peer.waiting:
                    raise self._http2.error
                now = time.monotonic()
                if deadline is not None and now > deadline:
                    raise TimeoutError(timed_out(peer, "read"))
                stream = self._http2.soonest(now)
                due = None if stream is None else stream.due or 0.0
                if peer.waiting and (due is None or due > now):
                    return peer.read(limit)
                if stream is None or due is None or due > now:
                    lock.wait(_least(due, deadline, now))
                    continue
                wants = self._http2.step(stream, now)
            # Not under the lock: another thread may write while an answer is made.
            if wants:
                self._fetch(stream, wants)
            if stream.over:
                _release_sync(stream)
                with lock:
                    self._http2.forget(stream)

    def _fetch(self, stream: Http2Stream, wants: str) -> None:
        try:
            if wants == "ask" and stream.script is not None:
                value = _fresh(stream.script.context).run(stream.script.answer)
            else:
                if stream.chunks is None:
                    stream.chunks = iter(stream.response.stream)
                value = _next_filled(stream.chunks)
        except BaseException:  # the call itself raises what its answer raised
            with self._http2.lock:
                self._http2.fail(stream)
        else:
            with self._http2.lock:
                self._http2.supply(stream, value, time.monotonic())

    def close(self) -> None:
        """The client hangs up."""
        with self._http2.lock:
            self._http2.lock.notify_all()
        for stream in list(self._http2.streams.values()):
            _release_sync(stream)


def _at_hand(stream: Http2Stream) -> bool:
    """Is the body in memory? Then no task is needed."""
    body = stream.response.stream
    if stream.chunks is None and isinstance(body, httpx.ByteStream):
        stream.chunks = iter(body)
    return isinstance(body, httpx.ByteStream)


def _fresh(context: Context | None) -> Context:
    # One that nobody is in, whoever reads.
    return copy_context() if context is None else context.copy()


async def _next_chunk(chunks: Any) -> bytes:
    """The next piece that is not empty; empty at the end."""
    async for chunk in chunks:
        if chunk:
            return bytes(chunk)
    return b""


def _next_filled(chunks: Any) -> bytes:
    return next((bytes(chunk) for chunk in chunks if chunk), b"")


def _least(due: float | None, deadline: float | None, now: float) -> float | None:
    times = [item for item in (due, deadline) if item is not None]
    return max(0.0, min(times) - now) if times else None


async def _release(stream: Http2Stream) -> None:
    chunks, stream.chunks = stream.chunks, None
    response, stream.response = stream.response, None
    # One that is being run closes itself as its task ends.
    if hasattr(chunks, "aclose") and not stream.busy:
        with suppress(RuntimeError):
            await chunks.aclose()
    if response is not None:
        await response.aclose()


def _release_sync(stream: Http2Stream) -> None:
    stream.chunks = None
    response, stream.response = stream.response, None
    if response is not None:
        response.close()
