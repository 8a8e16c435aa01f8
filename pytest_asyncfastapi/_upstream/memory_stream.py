"""The client's end of an in-memory connection: as an anyio or a trio stream.

Each class has just the methods that httpcore's own stream for that backend
calls, so httpcore's own code applies the timeouts and maps the errors. All
waiting is anyio's, so that it follows virtual time. (`memory_socket.py` is for
sync clients.) Knows no HTTP client library.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import TYPE_CHECKING, Any

import anyio

from .._core.current_loop import checkpoint, now
from .script import SCRIPT
from .tls_alerts import connection_reset

if TYPE_CHECKING:
    from .http2_streams import AsyncStreams
    from .peer import Peer
    from .script import Script


def reset_in_upload(peer: Peer, script: Script | None) -> bool:
    """Does the server break off while the client still sends the body?"""
    at_upload = script is not None and script.effect.at == "upload"
    return peer.broken or (at_upload and peer.in_request)


def takes_at_once(peer: Peer, data: bytes) -> bool:
    """Take what the client writes, if that neither waits nor fails: most of what is written."""
    if peer.http2 is not None or peer.broken:
        return False
    script = SCRIPT.get()
    if script is not None and script.effect.writes_slowly:
        return False
    return peer.receive_plain(data)


class _AsyncMemoryStream:
    """What the two async ends share: producing the next bytes."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._streams: AsyncStreams | None = None

    async def _next(self, limit: int) -> bytes:
        """The next bytes, empty at the end; raises `ConnectionResetError` on RST."""
        if self._streams is not None:
            return await self._streams.next(limit)
        await checkpoint()
        peer = self._peer
        while not peer.waiting and not peer.ended:
            if peer.broken:
                raise connection_reset()
            await self._wait_until_due()
            move = peer.next_event()
            if move is not None:
                if peer.perform(*move, now):
                    await anyio.sleep_forever()
            elif peer.chunks is not None:
                await self._body()
            elif peer.request_received:
                await self._head()
            else:
                await anyio.sleep_forever()
        return peer.read(limit)

    async def _wait_until_due(self) -> None:
        # Nothing is due in the usual case; the clock is read only where a fault set a time.
        if self._peer.due:
            left = self._peer.due - now()
            if left > 0:
                await anyio.sleep(left)

    async def _head(self) -> None:
        peer, script = self._peer, self._peer.script
        if script is None:
            peer.ended = True
            return
        if peer.is_delayed(script.effect, now):
            await self._wait_until_due()
        if not peer.start_without_answer(script.effect):
            peer.start_paced_response(await script.answer(), now)
            peer.chunks = aiter(peer.response.stream)
            await self._body()

    async def _body(self) -> None:
        peer = self._peer
        try:
            while True:
                peer.send_chunk(await anext(peer.chunks))
                # The last chunk is not said before the source is exhausted, as
                # the client does not read on once it has the whole body.
                if not peer.complete:
                    return
        except StopAsyncIteration:
            peer.end_response()
            await self._release()

    async def _receive_data(self, data: bytes) -> None:
        """Take what the client writes; raises `ConnectionResetError` on RST."""
        script = SCRIPT.get()
        stops_reading = script is not None and script.effect.stops_reading
        if stops_reading and not self._peer.reads_anyway(data):
            await anyio.sleep_forever()
        if reset_in_upload(self._peer, script) or self._peer.answers_early():
            raise connection_reset()
        if script is not None and script.effect.upload_rate and self._peer.in_request:
            await anyio.sleep(len(data) / script.effect.upload_rate)
        self._peer.receive_data(data)
        http2 = self._peer.http2
        if http2 is None:
            return
        if self._streams is None:
            from .http2_streams import AsyncStreams

            self._streams = AsyncStreams(http2)
        self._streams.on_data()

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
        if self._streams is not None:
            await self._streams.aclose()
        await self._release()


class PushedMemoryStream(_AsyncMemoryStream):
    """The end of a client that is pushed what arrives: by a task, as long as there is anything."""

    async def receive(self, limit: int) -> bytes:
        """What arrives next, empty at the end; raises `ConnectionResetError` on RST.

        What is said one after the other without a pause is read together, as over a socket.
        """
        data = await self._next(limit)
        while 0 < len(data) < limit and self._peer.has_more:
            data += await self._next(limit - len(data))
        return data


class AnyioMemoryStream(_AsyncMemoryStream):
    """An anyio byte stream, as far as httpcore uses one."""

    async def read_known(self, limit: int, timeout: float | None) -> bytes | None:
        """What `receive` gives, where no timer is needed to keep the client's `timeout` (s).

        So it is for a prepared answer that is only delayed, and in time: most of what
        is read. None, at no time later than when the answer is due, for all else.
        """
        at = now()
        script = self._peer.due_answer(at)
        if script is None or script.ready is None:
            return None
        left = self._peer.due - at
        if left > 0 and timeout is not None and left >= timeout:
            return None
        await asyncio.sleep(max(left, 0.0))
        response = script.ready()
        if response is None:
            return None
        self._peer.send_response(response)
        return self._peer.read(limit)

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
        """Send to the peer; raises anyio's error for RST."""
        try:
            await self._receive_data(item)
        except ConnectionResetError as error:
            # asyncio keeps the error, and gives it to the next reader, whatever has come before.
            self._peer.broken = True
            self._peer.read(sys.maxsize)
            raise anyio.BrokenResourceError from error


class TrioMemoryStream(_AsyncMemoryStream):
    """A trio stream, as far as httpcore uses one."""

    async def receive_some(self, max_bytes: int = 65536) -> bytes:
        """Receive; raises trio's error for RST, gives nothing at the end."""
        import trio

        try:
            return await self._next(max_bytes)
        except ConnectionResetError as error:
            raise trio.BrokenResourceError(f"socket connection broken: {error}") from error
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes) -> None:
        """Send to the peer; raises trio's error for RST."""
        import trio

        try:
            await self._receive_data(data)
        except ConnectionResetError as error:
            # The system tells once: the next reader finds the end.
            self._peer.ended = True
            raise trio.BrokenResourceError(f"socket connection broken: {error}") from error


def memory_stream_for(backend: str, peer: Peer) -> Any:
    """The end for httpcore's own stream of this backend."""
    return TrioMemoryStream(peer) if backend == "trio" else AnyioMemoryStream(peer)
