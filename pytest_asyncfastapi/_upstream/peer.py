"""The server's end of one in-memory connection, without any waiting.

Hands what the client writes to `http1.py` (or to `http2.py`, where the client
speaks HTTP/2), and turns a response into moves of a `ResponseEvents`. What is to
happen is in a `Script`; when, and on which event loop, is decided by
`memory_stream.py`. Knows no HTTP client library.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._faults import Effect
from .framing import raw_frame, raw_head, unframed
from .http1 import BodyMismatch, Http1
from .proxies import Socks, connected
from .script import SCRIPT
from .tls_alerts import certificate_required
from .wire_events import (
    ResponseEvents,
    corrupt,
    early_head,
    headers_of,
    length_of,
    replacement_events,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._faults.kinds import WireEvent
    from .http2 import Http2
    from .script import Script

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_NOTHING = Effect()


class Peer:
    """One connection as the server sees it.

    `due` is the time (on the clock of the client's end) up to which the tape
    has been played: the server does not wait for a client that reads late.
    """

    def __init__(self, due: float = 0.0) -> None:
        self._http1 = Http1()
        self._out = bytearray()
        self._events: deque[WireEvent] = deque()
        self._response_events: ResponseEvents | None = None
        self._raw: str = ""
        self._left: int | None = None
        self.due = due
        self.script: Script | None = None
        self.script_begun = False
        self.request_received = False
        self.secure = False
        self.ended = False
        self.broken = False
        self.response: Any = None
        self.chunks: Any = None
        self.http2: Http2 | None = None
        self._socks: Socks | None = None
        self._begun = False

    # What the client says.

    @property
    def in_request(self) -> bool:
        """Has the head of a request arrived, and not the whole of it?"""
        if self.http2 is not None:
            return self.http2.in_upload
        return self._http1.in_request

    def answers_early(self) -> bool:
        """Has the server answered while the client still sends, and then broken off?"""
        effect = self._effect()
        if not effect.resets_upload or not self.in_request:
            return False
        self._out += early_head(effect)
        return True

    def reads_anyway(self, data: bytes) -> bool:
        """Is this read by a server that stops reading: HTTP/2, or a SOCKS proxy's handshake?

        Over HTTP/2 the client waits by itself: its window is not opened.
        """
        if self.http2 is not None or self._socks is not None:
            return True
        head = bytes(data[: len(_PREFACE)])
        return not self._begun and (head == _PREFACE or Socks.begins(head))

    def receive_plain(self, data: bytes) -> bool:
        """Take what is HTTP/1.1; anything else is left for `receive_data`."""
        if not self._begun and (data.startswith(_PREFACE) or Socks.begins(data)):
            return False
        if self._socks is not None:
            return False
        if data:
            self._parse(data)
        return True

    def receive_data(self, data: bytes) -> None:
        """Take what the client wrote; `request_received` once a whole request has arrived."""
        if not self._begun and data.startswith(_PREFACE):
            from .http2 import Http2

            self.http2 = Http2(self)
        elif not self._begun and self._socks is None and Socks.begins(data):
            self._socks = Socks()
        if self.http2 is not None:
            self.http2.receive_data(data)
        elif self._socks is not None:
            self._events.extend(self._socks.receive_data(data, self._effect()))
            if self._socks.done:  # what follows is a new connection
                self._socks = None
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self._begun = True
        began, complete = self._http1.receive_data(data)
        if began:
            self.script, self.script_begun = SCRIPT.get(), False
        if complete:
            self._arrived()

    def _arrived(self) -> None:
        if self._http1.method != b"CONNECT":
            self.request_received = True
            return
        # A proxy: once the tunnel stands, what follows is a new connection.
        self._events.extend(connected(self._effect()))
        self._http1, self._begun = Http1(), False

    def _effect(self) -> Effect:
        script = SCRIPT.get() if self.script is None else self.script
        return _NOTHING if script is None else script.effect

    # What the client receives.

    def queue_bytes(self, data: bytes) -> None:
        """These bytes wait for the client."""
        self._out += data

    def read(self, limit: int) -> bytes:
        """At most `limit` of the bytes that wait for the client."""
        data = bytes(self._out[:limit])
        del self._out[:limit]
        # A close that follows at once has happened before the client reads again.
        if not self._out and self._events and self._events[0] == ("end", "close"):
            self._events.clear()
            self.ended = True
        return data

    @property
    def waiting(self) -> bool:
        """Are there bytes that the client has not read yet?"""
        return bool(self._out)

    @property
    def idle(self) -> bool:
        """Is there nothing left to say?"""
        busy = self._out or self._events or self.request_received or self.chunks is not None
        return not busy and not self.broken

    @property
    def has_more(self) -> bool:
        """Does something follow at once?"""
        if self.waiting or self._events:
            return self.waiting or self._events[0][0] == "say"
        stream = getattr(self.response, "stream", None)
        return self.chunks is not None and type(stream).__name__ == "ByteStream"

    def is_full(self, limit: int) -> bool:
        """Do as many bytes wait as the client takes at once?"""
        return len(self._out) >= limit

    def next_event(self) -> WireEvent | None:
        """The next move, if one is on the tape; what is said at once is taken together."""
        moves = self._events
        if not moves:
            return None
        kind, value = moves.popleft()
        if kind == "say":
            self._out += value
            while moves and moves[0][0] == "say":
                self._out += moves.popleft()[1]
        elif value == "close":
            self.ended = True
        return (kind, value)

    def perform(self, kind: str, value: Any, clock: Callable[[], float]) -> bool:
        """Do what is on the tape; True where the server goes silent for good."""
        if kind == "wait":
            self.due = (self.due or clock()) + value
        elif value == "reset":
            self.broken = True
        elif value == "alert":
            raise certificate_required()
        return (kind, value) == ("end", "stall")

    def is_delayed(self, effect: Effect, clock: Callable[[], float]) -> bool:
        """Begin with what happens to a request that has arrived; True where its answer is `due`."""
        if not effect.is_paced or self.script_begun:
            return False
        self._begin_script(effect, clock())
        return True

    def _begin_script(self, effect: Effect, at: float) -> None:
        self.script_begun = True
        self.due = max(self.due, at) + effect.delay

    def start_paced_response(self, response: Any, clock: Callable[[], float]) -> None:
        """Say the head of an answer that may have taken its time to be made."""
        self.start_response(response)
        if self.script is not None and self.script.effect.is_paced:
            self.due = max(self.due, clock())

    def start_without_answer(self, effect: Effect) -> bool:
        """Put a tape on that needs no answer; False where the answer is needed."""
        moves = replacement_events(effect)
        if moves is None:
            return False
        self.request_received = False
        self._events.extend(moves)
        if moves[-1][0] != "end" and not self._http1.start_next():
            self._events.append(("end", "close"))
        return True

    def start_response(self, response: Any) -> None:
        """Say the response head; the body's chunks follow."""
        effect = self.script.effect if self.script is not None else Effect()
        self.request_received = False
        self.response = response = corrupt(effect, response)
        status = response.status_code
        reason = response.reason_phrase.encode("ascii", "ignore")
        bodiless = self._http1.method == b"HEAD" or status in (204, 304)
        headers = headers_of(response, effect)
        self._left = 0 if bodiless else length_of(headers)
        self._raw = "" if bodiless else effect.kind.framing
        if effect.http10:
            self._raw, self._left = "plain", None
            kept = [pair for pair in headers if pair[0].lower() != b"transfer-encoding"]
            head = raw_head(status, reason, kept, version=b"1.0")
        elif self._raw:
            self._left = None
            head = unframed(status, reason, headers, chunked=self._raw != "plain")
        else:
            head = self._http1.head(status, reason, headers)
            if not head:
                # No server's library would write it: the connection ends after it, as it is.
                self._raw, self._left = "plain", None
                head = raw_head(status, reason, headers)
        self._response_events = ResponseEvents(effect, self._left, self._frame)
        self._add_events(self._response_events.head(head))

    def due_answer(self, at: float) -> Script | None:
        """Start the answer to a request that has arrived at `at`, and is only to be delayed.

        Gives its script, and the time is `due`; None where there is more to it.
        """
        script = self.script
        if script is None or script.ready is None or not script.effect.only_delays:
            return None
        if (
            not self.request_received
            or self.broken
            or self.ended
            or self.waiting
            or self.http2 is not None
        ):
            return None
        if not self.script_begun:
            self._begin_script(script.effect, at)
        return script

    def send_response(self, response: Any) -> None:
        """Say a response whose body is there."""
        self.start_response(response)
        self.send_chunk(response.content)
        self.end_response()
        self.next_event()

    @property
    def complete(self) -> bool:
        """Has the whole body been said, so that the client will not ask for more?"""
        return self._left is not None and self._left <= 0

    def send_chunk(self, chunk: bytes) -> None:
        """Say a piece of the body."""
        if chunk and self._response_events is not None:
            nothing = self._left == 0 and self._http1.method == b"HEAD"
            if not nothing:
                self._add_events(self._response_events.chunk(chunk))
            if self._left is not None:
                self._left -= len(chunk)

    def end_response(self) -> None:
        """Say that the body is complete, and be ready for the next request."""
        if self._response_events is None:
            return
        self._add_events(self._response_events.end())
        self._response_events = None
        kept = not self._raw and self._http1.start_next()
        if not kept and not any(kind == "end" for kind, _ in self._events):
            self._events.append(("end", "close"))

    def _add_events(self, moves: Iterable[WireEvent]) -> None:
        for move in moves:
            self._events.append(move)

    def _frame(self, data: bytes | None) -> bytes:
        """The bytes of a piece of the body, or of its end."""
        if self._raw:
            return raw_frame(self._raw, data)
        try:
            return self._http1.frame(data)
        except BodyMismatch:
            # The body does not keep what the head promised: a real server's
            # connection ends here too.
            self._events.append(("end", "close"))
            return b""

    def __repr__(self) -> str:
        return f"<Peer {self._http1!r} script={self.script!r}>"
