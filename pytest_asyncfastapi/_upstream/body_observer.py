"""Sees when the body of a response begins and ends, without changing it.

A body that is in memory is here with its head. Any other is read through a
stream of ours, which tells the recorder, and keeps the chunks where a tape
wants them. Decides nothing.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from .._core.shown_messages import KEPT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from .call_log import CallRecorder, OpenExchange
    from .httpx_libraries import Library


class BodyObserver:
    """What is noted of one body.

    `keep` is called with all of it, if it was read to its end; `closed` once
    nobody reads on.
    """

    def __init__(
        self,
        recorder: CallRecorder,
        call: OpenExchange,
        clock: Callable[[], float],
        keep: Callable[[bytes], None] | None = None,
        closed: Callable[[], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._call = call
        self._clock = clock
        self._keep = keep
        self._closed = closed
        self._chunks: list[bytes] = []

    def begin(self, library: Library, response: Any, now: float, *, sync: bool) -> None:
        """The head is here, at `now`; look at the body of `response` from here on."""
        self._recorder.answered(self._call, response, now)
        response.stream = _watched(library, sync)(response.stream, self)

    def chunk(self, data: bytes) -> None:
        """A piece of the body has been read."""
        if self._call.first_byte is None and data:
            self._call.first_byte = self._clock()
        if self._recorder.keeps_responses and len(self._call.body) < KEPT:
            self._call.body += data[:KEPT]
        if self._keep is not None:
            self._chunks.append(data)

    def complete(self) -> None:
        """The body has been read to its end."""
        if self._keep is not None:
            self._keep(b"".join(self._chunks))
            self._keep = None
        self.over()

    def over(self, error: str = "") -> None:
        """Nobody reads on."""
        self._recorder.end(self._call, self._clock(), error=error)
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()


def at_once(recorder: CallRecorder, call: OpenExchange, response: Any, now: float) -> bool:
    """Note a response whose body is in memory, and so here with its head; false for others."""
    stream = response.stream
    if type(stream).__name__ != "ByteStream":
        return False
    recorder.answered(call, response, now)
    if stream._stream:
        call.first_byte = now
    recorder.end(call, now)
    return True


class _ObservedStream:
    def __init__(self, stream: Any, watch: BodyObserver) -> None:
        self._stream = stream
        self._watch = watch
        self._chunks: Any = None
        self._closed = False  # a read that fails closes the stream, as httpcore's own


class _SyncObservedStream(_ObservedStream):
    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in self._stream:
                self._watch.chunk(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            self._closed = True
            self._watch.over(type(error).__name__)
            raise
        self._watch.complete()

    def close(self) -> None:
        """Close the stream that is watched."""
        self._watch.over()
        self._stream.close()


class _AsyncObservedStream(_ObservedStream):
    def __aiter__(self) -> AsyncIterator[bytes]:
        self._chunks = aiter(self._stream)
        return self

    async def __anext__(self) -> bytes:
        try:
            data: bytes = await anext(self._chunks)
        except StopAsyncIteration:
            self._watch.complete()
            raise
        except BaseException as error:
            self._closed = True
            self._watch.over(type(error).__name__)
            raise
        self._watch.chunk(data)
        return data

    async def aclose(self) -> None:
        """Close the stream that is watched."""
        self._watch.over()
        # A generator that is left half-way would be the loop's to finish.
        if hasattr(self._chunks, "aclose") and not getattr(self._chunks, "ag_running", False):
            await self._chunks.aclose()
        await self._stream.aclose()


@cache
def _watched(library: Library, sync: bool) -> Any:
    """The class that this library takes for a stream of its own."""
    ours, base = (
        (_SyncObservedStream, "SyncByteStream")
        if sync
        else (_AsyncObservedStream, "AsyncByteStream")
    )
    return type(ours.__name__, (ours, getattr(library.module, base)), {})
