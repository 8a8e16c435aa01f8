"""One request of an HTTP/2 connection: what happens to it, as moves.

The same tape as over HTTP/1.1 (`wire_events.py`), where that has a meaning between
frames; what would break the framing of HTTP/1.1 breaks HTTP/2's instead. Does
not wait, does not know h2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._faults import Effect
from .wire_events import ResponseEvents, corrupt, headers_of, interim

if TYPE_CHECKING:
    from collections.abc import Generator

    from .._faults.kinds import WireEvent
    from .script import Script

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
        effect, kind = self.effect, self.effect.kind
        if kind.http2 is not None:
            return [_over_http2(move) for move in kind.http2(effect)]
        # Half a head is not an event for the client, and neither is none.
        if effect.at == "head" or (not effect.answered and (kind.end or kind.http2_end)):
            return [("end", kind.http2_end or kind.end)]
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
            unknown = effect.kind.framing == "plain" and lowered == b"content-length"
            if lowered not in _HOP and not unknown:
                headers.append((lowered, value))
        self.bodiless = self.bodiless or status in (204, 304)
        yield ("head", (headers, self.bodiless))

    def _own(self, move: WireEvent) -> WireEvent:
        own = self.effect.kind.http2_end
        return ("end", own) if own and move[0] == "end" else move

    def _end(self, tape: ResponseEvents) -> Generator[WireEvent, Any, None]:
        kind = self.effect.kind
        for move in map(self._own, tape.end()):
            if move == ("end", "close") and (kind.closes or kind.framing):
                break
            yield move
            if move[0] == "end":
                return
        if kind.http2_frame is not None:
            yield ("frame", kind.http2_frame)
        else:
            yield ("finish", None)
        if kind.closes:
            yield ("end", "close")

    def __repr__(self) -> str:
        return f"<Http2Stream {self.number} {self.effect} due={self.due}>"


def _over_http2(move: WireEvent) -> WireEvent:
    return ("head", ([(b":status", b"%d" % move[1])], True)) if move[0] == "status" else move


def _length(response: Any) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None
