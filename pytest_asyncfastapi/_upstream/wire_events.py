"""One answer as a tape of moves: bytes to say, time to let pass, an end.

Turns a response and an `Effect` into moves, without waiting and without
knowing on which event loop they are played (`memory_stream.py` does that). A normal
answer is one piece after another; every fault of the wire is a change of the
tape, which the entry of its kind (`_faults/kinds/`) describes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx

from .proxies import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._faults import Effect
    from .._faults.kinds import WireEvent

_CLOSE = (b"Connection", b"close")
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
# How often a second a limited bandwidth lets bytes through.
_TICKS = 10


def replacement_events(effect: Effect) -> list[WireEvent] | None:
    """The whole tape, where no answer is wanted; None where the answer is."""
    kind = effect.kind
    if kind.stage == "proxy":  # of a request that goes to the proxy itself
        return refusal(effect)
    if kind.instead is not None:
        moves = [_over_http1(effect, move) for move in kind.instead(effect)]
    elif kind.end and not effect.answered:
        moves = [("end", kind.end)]
    else:
        return None
    return [*interim(effect, _INTERIM), *moves]


def _over_http1(effect: Effect, move: WireEvent) -> WireEvent:
    return ("say", early_head(effect)) if move[0] == "status" else move


def early_head(effect: Effect) -> bytes:
    """An answer that does not wait for the request's body."""
    reason = httpx.codes.get_reason_phrase(effect.status).encode()
    framing = b"Content-Length: 0\r\nConnection: close"
    return b"HTTP/1.1 %d %s\r\n%s\r\n\r\n" % (effect.status, reason, framing)


def interim(effect: Effect, said: Any, kind: str = "say") -> Iterator[WireEvent]:
    """Informational answers before what follows, as moves of this kind."""
    times, each = effect.interim or (0, 0.0)
    for _ in range(times):
        yield ("wait", each)
        yield (kind, said)


def corrupt(effect: Effect, response: Any) -> Any:
    """The response that is sent in place of this one, where its content is the fault."""
    corrupted = effect.kind.content
    if corrupted is None:
        return response
    content, header = corrupted(_content(response))
    gone = (b"content-length", b"transfer-encoding", b"content-encoding", header[0].lower())
    headers = [pair for pair in response.headers.raw if pair[0].lower() not in gone]
    headers += [header, (b"Content-Length", b"%d" % len(content))]
    # As a stream: a response made with content would decode it here.
    stream = httpx.ByteStream(content)
    return httpx.Response(response.status_code, headers=headers, stream=stream)


def headers_of(response: Any, effect: Effect) -> list[tuple[bytes, bytes]]:
    """Its headers; an answer without a body has a length of 0, unless the fault needs a body."""
    headers: list[tuple[bytes, bytes]] = response.headers.raw
    if effect.connection_close:
        headers = [*(pair for pair in headers if pair[0].lower() != b"connection"), _CLOSE]
    if effect.kind.headers:
        return [*headers, *effect.kind.headers]
    stream = response.stream
    if not isinstance(stream, httpx.ByteStream) or stream._stream:
        return headers
    framed = response.status_code in (204, 304) or isinstance(effect.at, int)
    if framed or effect.kind.without_length:
        return headers
    if any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers):
        return headers
    return [*headers, (b"Content-Length", b"0")]


def length_of(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The length that a head says its body has."""
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None


def _content(response: Any) -> bytes:
    stream = response.stream
    return b"".join(stream) if isinstance(stream, httpx.ByteStream) else b"streamed " * 8


class ResponseEvents:
    """The moves of one answer; `frame` turns an event's data into bytes (None: the end).

    `length` is the body's length where it is known.
    """

    def __init__(
        self, effect: Effect, length: int | None, frame: Callable[[bytes | None], bytes]
    ) -> None:
        self._effect = effect
        self._length = length
        self._frame = frame
        self._said = 0
        self._begun = False
        self._over = False
        self._cut = self._where_to_cut()

    def _where_to_cut(self) -> int | None:
        effect, length = self._effect, self._length
        if effect.kind.cut == "half":
            return None if length is None else length // 2
        if not isinstance(effect.at, int):
            return None
        # Never the whole body: the client would be content, and the fault be none.
        return effect.at if length is None else min(effect.at, max(0, length - 1))

    def head(self, data: bytes) -> Iterator[WireEvent]:
        """The response head."""
        effect = self._effect
        yield from interim(effect, _INTERIM)
        if effect.at == "head":
            self._over = True
            yield ("say", data[: max(1, len(data) // 2)])
            yield ("end", effect.kind.end)
        elif effect.head_dribble is not None:
            yield from _paced(_split(data, effect.head_dribble[0]), effect.head_dribble)
        else:
            yield ("say", data)

    def chunk(self, data: bytes) -> Iterator[WireEvent]:
        """A piece of the body, as the source gives it."""
        if self._over or not data:
            return
        effect = self._effect
        if not self._begun:
            if effect.first_byte:
                yield ("wait", effect.first_byte)
        elif effect.gap:
            yield ("wait", effect.gap)
        if self._cut is None:
            for kind, value in self._pieces(data):
                yield (kind, self._frame(value) if kind == "say" else value)
                self._said += len(value) if kind == "say" else 0
        else:
            yield from self._cut_off(data, self._cut)
        self._begun = True

    def _cut_off(self, data: bytes, cut: int) -> Iterator[WireEvent]:
        """The pieces come as they would, until so many bytes of the body have been said."""
        pieces = self._pieces(data)
        while self._said < cut:
            kind, value = next(pieces, ("", b""))
            if not kind:
                return
            if kind == "say":
                value = value[: cut - self._said]
                self._said += len(value)
                value = self._frame(value)
            yield (kind, value)
        self._over = True
        yield ("end", self._effect.kind.end)

    def _pieces(self, data: bytes) -> Iterator[WireEvent]:
        """The pieces of the data, unframed, and the times between them."""
        effect = self._effect
        last = self._length is not None and self._said + len(data) >= self._length
        ending = data[-1:] if effect.tail and last else b""
        data = data[: len(data) - len(ending)]
        if effect.dribble is not None:
            yield from _paced(_split(data, effect.dribble[0]), effect.dribble)
        elif effect.bandwidth:
            yield from _at_rate(data, effect.bandwidth)
        elif effect.gap and last and not self._begun and len(data) > 1:
            # A body in one piece has no gap of its own.
            half = len(data) // 2
            yield from (("say", data[:half]), ("wait", effect.gap), ("say", data[half:]))
        elif data:
            yield ("say", data)
        if ending:
            yield from (("wait", effect.tail), ("say", ending))

    def end(self) -> Iterator[WireEvent]:
        """The end of the body."""
        if self._over:
            return
        effect = self._effect
        if effect.tail and self._length is None:
            yield ("wait", effect.tail)
        if effect.kind.cut and self._length is None:
            yield ("end", effect.kind.end)
            return
        data = self._frame(None) + effect.kind.rest
        if data:
            yield ("say", data)
        if effect.kind.closes or effect.kind.framing:
            yield ("end", "close")

    def __repr__(self) -> str:
        return f"<ResponseEvents {self._effect} said={self._said}/{self._length}>"


def _at_rate(data: bytes, rate: float) -> Iterator[WireEvent]:
    size = max(1, int(rate / _TICKS))
    for begin in range(0, len(data), size):
        piece = data[begin : begin + size]
        yield ("wait", len(piece) / rate)
        yield ("say", piece)


def _split(data: bytes, count: int) -> list[bytes]:
    """At most `count` pieces of about the same size, none empty."""
    count = min(count, len(data))
    bounds = [len(data) * number // count for number in range(count + 1)] if count else []
    return [data[begin:end] for begin, end in pairwise(bounds)]


def _paced(pieces: Any, pace: tuple[int, float]) -> Iterator[WireEvent]:
    """The first piece at once and the last one when the time is up."""
    number, over = pace
    for index, piece in enumerate(pieces):
        if index or number == 1:
            yield ("wait", over / max(1, number - 1))
        yield ("say", piece)
