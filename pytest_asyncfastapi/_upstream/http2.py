"""The server's side of HTTP/2 on one in-memory connection, without any waiting.

Frames are h2's, which a client that speaks HTTP/2 has installed. Each stream
finds the script of its own call and is played on its own; what ends the
connection ends them all. Knows no event loop (`http2_streams.py` does).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from .http2_requests import Http2Stream
from .script import NUMBER, SCRIPT, SCRIPTS
from .tls_alerts import certificate_required, connection_reset

if TYPE_CHECKING:
    from .script import Script

# The ends of the connection, and so of every stream.
_OF_ALL = ("reset", "close", "goaway", "alert")


class Connection(Protocol):
    """What the streams of a connection need of it; `Peer` is one."""

    due: float
    secure: bool
    ended: bool
    broken: bool

    @property
    def waiting(self) -> bool:
        """Are there bytes that the client has not read yet?"""
        ...

    def queue_bytes(self, data: bytes) -> None:
        """These bytes wait for the client."""

    def read(self, limit: int) -> bytes:
        """At most `limit` of the bytes that wait for the client."""
        ...

    def is_full(self, limit: int) -> bool:
        """Do as many bytes wait as the client takes at once?"""
        ...


class Http2:
    """The streams of one connection.

    A client's threads may write and read at one time, so `lock` is held by
    whoever calls.
    """

    def __init__(self, peer: Connection) -> None:
        self.peer = peer
        self.lock = threading.Condition()
        self.streams: dict[int, Http2Stream] = {}
        self._leaving = False  # after a GOAWAY
        self._alert = False  # the connection is over by an alert of TLS
        # Headers are sent as they are: some faults are headers that h2 would not let through.
        self._h2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._h2.initiate_connection()

    # What the client says.

    @property
    def in_upload(self) -> bool:
        """Is a request on its way whose fault is one of the upload?"""
        return any(
            (stream.effect.at == "upload" or stream.effect.upload_rate) and not stream.whole
            for stream in self.streams.values()
        )

    def receive_data(self, data: bytes) -> None:
        """Take what the client wrote."""
        try:
            for event in self._h2.receive_data(data):
                self._note(event)
        except ProtocolError:
            self.peer.ended = True
        self._flush()

    def _note(self, event: Any) -> None:
        if isinstance(event, events.RequestReceived):
            headers = dict(event.headers)
            script = _script(headers.get(NUMBER))
            method = bytes(headers.get(b":method", b""))
            self.streams[event.stream_id] = Http2Stream(event.stream_id, script, method=method)
        elif isinstance(event, events.DataReceived):
            stream = self.streams.get(event.stream_id)
            # Where the server stops reading, its window is not opened again.
            if stream is None or not stream.effect.stops_reading:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamEnded) and event.stream_id in self.streams:
            self.streams[event.stream_id].whole = True
        elif isinstance(event, events.StreamReset) and event.stream_id in self.streams:
            self.streams[event.stream_id].over = True

    # What the client receives.

    @property
    def ended(self) -> bool:
        """Is the connection over: at once, or as all is said that a GOAWAY has left to say?"""
        if self._leaving and not self.streams and not self.peer.waiting:
            self.peer.ended = True
        return self.peer.ended

    @property
    def error(self) -> OSError:
        """What a reader finds where the connection broke off."""
        return certificate_required() if self._alert else connection_reset()

    def soonest(self, now: float) -> Http2Stream | None:
        """The stream that has something to do first; `due` says when."""
        found: Http2Stream | None = None
        for stream in self.streams.values():
            if not stream.whole or stream.busy or stream.over:
                continue
            if stream.ending and self.peer.waiting:
                continue  # what was said before arrives before
            if stream.due is None:
                stream.due = max(self.peer.due, now)
            if stream.left and not self._window(stream):
                continue
            if found is None or stream.due < (found.due or 0.0):
                found = stream
        return found

    def step(self, stream: Http2Stream, now: float) -> str:
        """Make the stream's next move; what it then asks for: `ask`, `chunk` or nothing."""
        # It goes to the end of the row: of two that are due, each has its turn.
        self.streams[stream.number] = self.streams.pop(stream.number)
        if stream.left:
            self._send(stream)
            return ""
        if stream.ending:
            self._end(stream, stream.ending)
            return ""
        if stream.script is None:
            # A call that nobody scripted cannot come here, unless its client outlives its test.
            self._end(stream, "reset stream")
            return ""
        move = stream.next_event()
        if move is None:
            stream.over = True
            return ""
        kind, value = move
        if kind in ("ask", "chunk"):
            stream.busy = True
            return kind
        if kind == "wait":
            stream.due = (stream.due or now) + value
        else:
            self._perform(stream, kind, value)
            self._flush()
        return ""

    def supply(self, stream: Http2Stream, value: Any, now: float) -> None:
        """What a stream has requested, which took until `now`."""
        stream.due = max(stream.due or 0.0, now)
        stream.supply(value)

    def fail(self, stream: Http2Stream) -> None:
        """The answer could not be made: the stream is reset, and the others go on."""
        stream.busy = False
        if not (stream.over or self.peer.ended or self.peer.broken):
            self._end(stream, "reset stream")
            self._flush()

    def forget(self, stream: Http2Stream) -> None:
        """It is over, and what it held has been released."""
        self.streams.pop(stream.number, None)

    def _perform(self, stream: Http2Stream, kind: str, value: Any) -> None:
        if kind == "say":
            stream.left = value
            self._send(stream)
        elif kind == "head":
            headers, last = value
            self._h2.send_headers(stream.number, headers, end_stream=last)
            stream.over = last and not stream.effect.ending
        elif kind == "nudge":
            self._h2.increment_flow_control_window(1, stream.number)
        elif kind == "finish":
            if not stream.bodiless:
                self._h2.end_stream(stream.number)
            # The client has it all and reads no more, so nobody would ask for a last move.
            stream.over = not stream.effect.kind.closes
        elif kind == "frame":
            body, sort, flags = value
            head = len(body).to_bytes(3, "big") + bytes((sort, flags))
            self.peer.queue_bytes(head + stream.number.to_bytes(4, "big") + body)
        elif kind == "raw":
            self.peer.queue_bytes(value)
        elif kind == "end" and value in _OF_ALL:
            stream.ending = value
        elif kind == "end":
            self._end(stream, value)

    def _end(self, stream: Http2Stream, how: str) -> None:
        if how == "stall":
            # Its course is over, its place is not: the client gets no more.
            stream.over = True
        elif how in ("reset", "alert"):
            self.peer.broken, self._alert = True, how == "alert"
        elif how in ("reset stream", "refused stream"):
            stream.over = True
            name = "refused_stream" if how == "refused stream" else stream.effect.detail
            self._h2.reset_stream(stream.number, _code(name or "internal_error"))
        elif how == "goaway":
            self._go_away(stream)
        else:
            self.peer.ended = True

    def _go_away(self, stream: Http2Stream) -> None:
        """Say which streams are still served, this one not; end at once, or after those."""
        stream.over = True
        graceful = stream.effect.detail == "graceful"
        code = _code("no_error" if graceful else stream.effect.detail or "no_error")
        below = [number for number, other in self.streams.items() if not other.over]
        last = max((number for number in below if number < stream.number), default=0)
        # By hand: h2 sends nothing more once it has said GOAWAY itself.
        payload = last.to_bytes(4, "big") + code.to_bytes(4, "big")
        self.peer.queue_bytes(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + payload)
        self._leaving = True
        if stream.script is not None:
            stream.script.attempted.append(True)  # the client may try once more
        self.peer.ended = not (graceful and last)

    def _window(self, stream: Http2Stream) -> int:
        window: int = self._h2.local_flow_control_window(stream.number)
        return min(window, self._h2.max_outbound_frame_size)

    def _send(self, stream: Http2Stream) -> None:
        if stream.bodiless:
            stream.left = b""
        sent = 0
        while sent < len(stream.left) and (size := self._window(stream)):
            self._h2.send_data(stream.number, stream.left[sent : sent + size])
            sent += size
        stream.left = stream.left[sent:]  # once: to copy 20 MiB for each frame takes seconds
        self._flush()

    def _flush(self) -> None:
        self.peer.queue_bytes(self._h2.data_to_send())

    def __repr__(self) -> str:
        return f"<Http2 {list(self.streams.values())}>"


def _code(name: str) -> ErrorCodes:
    return ErrorCodes[name.upper()]


def _script(number: bytes | None) -> Script | None:
    if number is None:
        return SCRIPT.get()
    return SCRIPTS.get(int(number))
