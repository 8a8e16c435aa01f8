"""The client's end of an in-memory connection: as anyio, trio or socket stream.

Each class has just the methods that httpcore's own stream for that backend
calls, so httpcore's own code applies the timeouts and maps the errors. All
waiting is anyio's, so that it follows virtual time; a sync client really
waits. Knows no HTTP client library.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from .peer import Peer


def connection_reset() -> ConnectionResetError:
    """The error that the operating system gives for an RST."""
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


class _Async:
    """What the two async ends share: producing the next bytes."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def _next(self, limit: int) -> bytes:
        """The next bytes, empty at the end; raises `ConnectionResetError` on RST."""
        await anyio.lowlevel.checkpoint()
        peer = self._peer
        while not peer.waiting and not peer.ended:
            if peer.chunks is not None:
                await self._body()
            elif peer.asked:
                await self._head()
            else:
                await anyio.sleep_forever()
        return peer.take(limit)

    async def _head(self) -> None:
        peer, script = self._peer, self._peer.script
        if script is None:
            peer.ended = True
            return
        if script.delay:
            await anyio.sleep(script.delay)
        if script.ending == "stall":
            await anyio.sleep_forever()
        elif script.ending == "reset":
            raise connection_reset()
        elif script.ending == "close":
            peer.ended = True
        else:
            peer.begin(await script.answer())
            peer.chunks = aiter(peer.response.stream)
            await self._body()

    async def _body(self) -> None:
        peer = self._peer
        try:
            while True:
                peer.body(await anext(peer.chunks))
                # The last chunk is not said before the source is exhausted, as
                # the client does not read on once it has the whole body.
                if not peer.complete:
                    return
        except StopAsyncIteration:
            peer.end()
            await self._release()

    async def _release(self) -> None:
        chunks, self._peer.chunks = self._peer.chunks, None
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
        response, self._peer.response = self._peer.response, None
        if response is not None:
            await response.aclose()

    async def aclose(self) -> None:
        """The client hangs up."""
        self._peer.ended = True
        await self._release()


class AnyioEnd(_Async):
    """An anyio byte stream, as far as httpcore uses one."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive; raises anyio's errors for RST and end."""
        try:
            data = await self._next(max_bytes)
        except ConnectionResetError as error:
            raise anyio.BrokenResourceError from error
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Send to the peer."""
        self._peer.hear(item)


class TrioEnd(_Async):
    """A trio stream, as far as httpcore uses one."""

    async def receive_some(self, max_bytes: int = 65536) -> bytes:
        """Receive; raises trio's error for RST, gives nothing at the end."""
        import trio

        try:
            return await self._next(max_bytes)
        except ConnectionResetError as error:
            raise trio.BrokenResourceError(f"socket connection broken: {error}") from error

    async def send_all(self, data: bytes) -> None:
        """Send to the peer."""
        self._peer.hear(data)


class SocketEnd:
    """A socket, as far as httpcore's sync stream uses one."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._timeout: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        """Seconds that one `recv` may take."""
        self._timeout = timeout

    def send(self, data: bytes) -> int:
        """Send to the peer; it takes everything."""
        self._peer.hear(bytes(data))
        return len(data)

    def recv(self, limit: int) -> bytes:
        """Receive; raises `TimeoutError` and `ConnectionResetError` as a socket does."""
        peer = self._peer
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while not peer.waiting and not peer.ended:
            if peer.chunks is not None:
                self._body()
            elif peer.asked:
                self._head(deadline)
            else:
                wait_or_time_out(None, deadline)
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError("timed out")
        return peer.take(limit)

    def _head(self, deadline: float | None) -> None:
        peer, script = self._peer, self._peer.script
        if script is None:
            peer.ended = True
            return
        if script.delay:
            wait_or_time_out(script.delay, deadline)
        if script.ending == "stall":
            wait_or_time_out(None, deadline)
        elif script.ending == "reset":
            raise connection_reset()
        elif script.ending == "close":
            peer.ended = True
        else:
            peer.begin(script.answer())
            peer.chunks = iter(peer.response.stream)
            self._body()

    def _body(self) -> None:
        peer = self._peer
        try:
            while True:
                peer.body(next(peer.chunks))
                if not peer.complete:
                    return
        except StopIteration:
            peer.end()
            self._release()

    def _release(self) -> None:
        self._peer.chunks = None
        response, self._peer.response = self._peer.response, None
        if response is not None:
            response.close()

    def close(self) -> None:
        """The client hangs up."""
        self._peer.ended = True
        self._release()


def wait_or_time_out(duration: float | None, deadline: float | None) -> None:
    """Really wait (None: for ever); `TimeoutError` when the deadline comes first."""
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    if duration is not None and (left is None or duration <= left):
        threading.Event().wait(duration)
        return
    threading.Event().wait(left)
    raise TimeoutError("timed out")


def end_for(backend: str, peer: Peer) -> Any:
    """The end for httpcore's own stream of this backend."""
    return TrioEnd(peer) if backend == "trio" else AnyioEnd(peer)
