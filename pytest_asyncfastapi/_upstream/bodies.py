"""Response bodies that can be read by every call that gets them.

A body given as a generator runs once; `ReplayableStream` keeps what it yielded, so that
the second call reads the same bytes, still chunk by chunk. `StreamAdapter` and
`AsyncStreamAdapter` pass a stream to a library that wants its own stream classes.
"""

from __future__ import annotations

import json as jsonlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_PIECE = 1 << 16
_ASYNC_ONLY = (
    "this route's body is an async generator, and a sync client asked for it: give bytes or a "
    "plain generator"
)
# The two classes that httpx wraps a generator in; both refuse a second reader.
ONE_SHOT = ("IteratorByteStream", "AsyncIteratorByteStream")


class ReplayableStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A one-shot stream that every reader sees from its start.

    Chunks are kept as the first reader pulls them, so an endless stream stays
    endless and nothing is read ahead.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._sync: Iterator[bytes] | None = None
        self._async: AsyncIterator[bytes] | None = None
        self._chunks: list[bytes] = []
        self._done = False
        self._thread_lock = threading.Lock()
        self._task_lock: anyio.Lock | None = None

    @staticmethod
    def needed(stream: Any) -> bool:
        """Is this a stream that only one reader can have?"""
        return type(stream).__name__ in ONE_SHOT

    def __iter__(self) -> Iterator[bytes]:
        at = 0
        while True:
            with self._thread_lock:
                if at == len(self._chunks) and not self._pull():
                    return
            yield self._chunks[at]
            at += 1

    def _pull(self) -> bool:
        if self._done:
            return False
        if self._sync is None:
            if not hasattr(self._source, "__iter__"):
                raise TypeError(_ASYNC_ONLY)
            self._sync = iter(self._source)
        for chunk in self._sync:
            self._chunks.append(chunk)
            return True
        self._done = True
        return False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._task_lock is None:
            self._task_lock = anyio.Lock()
        at = 0
        while True:
            async with self._task_lock:
                if at == len(self._chunks) and not await self._pull_async():
                    return
            yield self._chunks[at]
            at += 1

    async def _pull_async(self) -> bool:
        if self._done or not hasattr(self._source, "__aiter__"):
            return self._pull()
        if self._async is None:
            self._async = aiter(self._source)
        async for chunk in self._async:
            self._chunks.append(chunk)
            return True
        self._done = True
        return False


class ChunkedStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that arrives in these pieces, for sync and async clients.

    A piece is text, bytes, or something that becomes a line of JSON.
    """

    def __init__(self, source: Any) -> None:
        once = hasattr(source, "__next__") or hasattr(source, "__anext__")
        self._source = ReplayableStream(source) if once else source

    def __iter__(self) -> Iterator[bytes]:
        if not hasattr(self._source, "__iter__"):
            raise TypeError(_ASYNC_ONLY)
        for piece in self._source:
            yield _encoded(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if hasattr(self._source, "__aiter__"):
            async for piece in self._source:
                yield _encoded(piece)
        else:
            for piece in self._source:
                yield _encoded(piece)


def _encoded(piece: Any) -> bytes:
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    text = piece if isinstance(piece, str) else jsonlib.dumps(piece, separators=(",", ":")) + "\n"
    return text.encode()


def as_stream(value: Any) -> Any:
    """The body that `respond(stream=...)` means. Raises `TypeError`."""
    if isinstance(value, (httpx.SyncByteStream, httpx.AsyncByteStream)):
        return value
    if isinstance(value, os.PathLike):
        content = Path(value).read_bytes()
        return ChunkedStream([content[at : at + _PIECE] for at in range(0, len(content), _PIECE)])
    if isinstance(value, (str, bytes)) or not (
        hasattr(value, "__iter__") or hasattr(value, "__aiter__")
    ):
        raise TypeError(
            f"respond(stream={value!r}): give the pieces of the body as a list or a generator, or "
            "the path of a file (pathlib.Path)"
        )
    return ChunkedStream(value)


class StreamAdapter:
    """Adapts a sync stream to a library with other stream classes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        """Close the adapted stream."""
        self._stream.close()


class AsyncStreamAdapter:
    """Adapts a stream, async or not, to a library with other stream classes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if hasattr(self._stream, "__aiter__"):
            chunks = aiter(self._stream)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:  # a generator that a reader leaves half-way must not be left to the loop
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()
        else:
            for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        """Close the adapted stream."""
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()
