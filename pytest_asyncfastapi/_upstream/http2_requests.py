"""One request of an HTTP/2 connection: what happens to it, as moves.

The same tape as over HTTP/1.1 (`wire_events.py`), where that has a meaning between
frames; what would break the framing of HTTP/1.1 breaks HTTP/2's instead. Does
not wait, does not know h2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._faults import Effect
from .wire_events import ENDS, NOT_HTTP, ResponseEvents, corrupt, headers_of, interim

if TYPE_CHECKING:
    from collections.abc import Generator

    from .framing import WireEvent
    from .script import Script

# A frame of DATA that is all padding, and more than there is.
_BAD_DATA = (b"\xff", 0x0, 0x8)
# A frame of HEADERS whose compression refers to what never was.
_BAD_HEADERS = (b"\xff\xff\xff\x7f", 0x1, 0x4)
_FRAMES = {
    "bad_chunk": _BAD_DATA,
    "bad_chunk_end": _BAD_DATA,
    "bad_header": _BAD_HEADERS,
}
# h2 reads no frame in these bytes, so that only the end of the connection is an error.
_HTTP_1 = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_ENDINGS: dict[str, list[WireEvent]] = {
    "reset_stream": [("end", "reset stream")],
    "refused_stream": [("end", "refused stream")],
    "goaway": [("end", "goaway")],
    "write_timeout": [("end", "stall")],
    "garbage": [("raw", _HTTP_1), ("end", "close")],
    "tls_on_plain": [("raw", NOT_HTTP["tls_on_plain"]), ("end", "close")],
    "bad_header": [("frame", _FRAMES["bad_header"]), ("end", "close")],
    "bad_status_line": [("head", ([(b":status", b"abc")], True))],
    "head_too_long": [
        # One header fifty times: compression makes it cheap to send, and to receive.
        ("head", ([(b":status", b"200"), *[(b"x-pad", b"a" * 3900)] * 52], True)),
    ],
}
_INTERIM = ([(b":status", b"100")], False)
# Headers of one connection, which HTTP/2 does not know (RFC 9113, section 8.2.2).
_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}


class Http2Stream:
    """One request and its answer.

    `due` is the time up to which it has been played, on the clock of the
    client's end; `busy` while its answer, or a piece of it, is being made;
    `ending` is how it will end the connection, `over` that it has no more moves.
    """

    def __init__(self, number: int, script: Script | None, *, method: bytes) -> None:
        self.number = number
        self.script = script
        self.effect = script.effect if script is not None else Effect()
        self.bodiless = method == b"HEAD"
        self.whole = False
        self.due: float | None = None
        self.left = b""
        self.busy = False
        self.over = False
        self.ending = ""
        self.response: Any = None
        self.chunks: Any = None
        self.task: Any = None
        self._reply: Any = None
        self._events = self._play()

    def next_event(self) -> WireEvent | None:
        """The next move; `ask` and `chunk` want an answer by `supply`. None: there is none left."""
        reply, self._reply = self._reply, None
        try:
            return self._events.send(reply)
        except StopIteration:
            return None

    def supply(self, value: Any) -> None:
        """What the last event requested; no chunk is the end of the body."""
        self._reply, self.busy = value, False

    def _play(self) -> Generator[WireEvent, Any, None]:
        effect = self.effect
        if effect.delay:
            yield ("wait", effect.delay)
        moves = self._instead()
        if moves is not None:
            yield from interim(effect, _INTERIM, "head")
            yield from moves
            return
        self.response = response = corrupt(effect, (yield ("ask", None)))
        tape = ResponseEvents(effect, _length(response), lambda data: data or b"")
        yield from self._head(response)
        while not self.bodiless and (chunk := (yield ("chunk", None))):
            yield from map(self._own, tape.chunk(chunk))
        yield from self._end(tape)

    def _instead(self) -> list[WireEvent] | None:
        effect = self.effect
        if effect.ending in _ENDINGS and not isinstance(effect.at, int):
            return _ENDINGS[effect.ending]
        if effect.ending == "tls_error":  # one that the server has only after the handshake
            return [("end", "alert")]
        if effect.ending == "early_answer":
            return [("head", ([(b":status", b"%d" % effect.status)], True))]
        # Half a head is not an event for the client, and neither is none.
        if effect.at == "head" or (effect.ending in ENDS and not effect.answered):
            return [("end", ENDS[effect.ending])]
        return None

    def _head(self, response: Any) -> Generator[WireEvent, Any, None]:
        effect, status = self.effect, response.status_code
        yield from interim(effect, _INTERIM, "head")
        if effect.head_dribble is not None:
            # Frames of one head may not be parted: others come at its pace, and it comes last.
            pieces, over = effect.head_dribble
            for _ in range(pieces - 1):
                yield ("nudge", None)
                yield ("wait", over / (pieces - 1))
        headers = [(b":status", b"%d" % status)]
        for name, value in headers_of(response, effect):
            lowered = name.lower()
            unknown = effect.ending == "until_close" and lowered == b"content-length"
            if lowered not in _HOP and not unknown:
                headers.append((lowered, value))
        self.bodiless = self.bodiless or status in (204, 304)
        yield ("head", (headers, self.bodiless))

    def _own(self, move: WireEvent) -> WireEvent:
        if move[0] == "end" and self.effect.ending == "reset_stream":
            return ("end", "reset stream")
        return move

    def _end(self, tape: ResponseEvents) -> Generator[WireEvent, Any, None]:
        ending = self.effect.ending
        for move in map(self._own, tape.end()):
            if move == ("end", "close") and ending in ("idle_close", "until_close", *_FRAMES):
                break
            yield move
            if move[0] == "end":
                return
        if ending in _FRAMES:
            yield ("frame", _FRAMES[ending])
        else:
            yield ("finish", None)
        if ending == "idle_close":
            yield ("end", "close")

    def __repr__(self) -> str:
        return f"<Http2Stream {self.number} {self.effect} due={self.due}>"


def _length(response: Any) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None
