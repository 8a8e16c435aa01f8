"""The client's end of an in-memory connection for a sync client: as a socket.

It has just the methods that httpcore's own stream calls, and really waits.
Knows no HTTP client library.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from .memory_stream import reset_in_upload
from .real_waits import timed_out, wait_or_time_out
from .script import SCRIPT
from .tls_alerts import connection_reset

if TYPE_CHECKING:
    from .http2 import Http2
    from .http2_streams import SyncStreams
    from .peer import Peer


# How often a second a limited rate lets bytes through.
_TICKS = 10


class MemorySocket:
    """A socket, as far as httpcore's sync stream uses one."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._timeout: float | None = None
        self._streams: SyncStreams | None = None

    def settimeout(self, timeout: float | None) -> None:
        """Seconds that one `recv` may take."""
        self._timeout = timeout

    def send(self, data: bytes) -> int:
        """Send to the peer; it takes everything, or nothing, or what its rate lets it take."""
        script = SCRIPT.get()
        stops_reading = script is not None and script.effect.stops_reading
        if stops_reading and not self._peer.reads_anyway(data):
            wait_or_time_out(None, self._deadline(), timed_out(self._peer, "write"))
        if reset_in_upload(self._peer, script) or self._peer.answers_early():
            self._peer.ended = True
            raise connection_reset()
        rate = script.effect.upload_rate if script is not None else 0.0
        if rate and self._peer.in_request:
            data = data[: max(1, int(rate / _TICKS))]
            wait_or_time_out(len(data) / rate, self._deadline(), timed_out(self._peer, "write"))
        http2 = self._peer.http2
        with http2.lock if http2 is not None else nullcontext():
            self._peer.receive_data(bytes(data))
            if self._peer.http2 is not None:
                self._on_data(self._peer.http2)
        return len(data)

    def _on_data(self, http2: Http2) -> None:
        if self._streams is None:
            from .http2_streams import SyncStreams

            self._streams = SyncStreams(http2)
            return
        self._streams.on_data()

    def _deadline(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout

    def recv(self, limit: int) -> bytes:
        """Receive; raises `TimeoutError` and `ConnectionResetError` as a socket does."""
        peer = self._peer
        deadline = self._deadline()
        if self._streams is not None:
            return self._streams.next(limit, deadline)
        while not peer.waiting and not peer.ended:
            if peer.broken:
                raise connection_reset()
            self._wait_until_due(deadline)
            move = peer.next_event()
            if move is not None:
                if peer.perform(*move, time.monotonic):
                    self._go_silent(deadline)
            elif peer.chunks is not None:
                self._body()
            elif peer.request_received:
                self._head(deadline)
            else:
                wait_or_time_out(None, deadline, timed_out(peer, "read"))
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(timed_out(peer, "read"))
        return peer.read(limit)

    def _wait_until_due(self, deadline: float | None) -> None:
        if self._peer.due:
            left = self._peer.due - time.monotonic()
            if left > 0:
                wait_or_time_out(left, deadline, timed_out(self._peer, "read"))

    def _go_silent(self, deadline: float | None) -> None:
        wait_or_time_out(None, deadline, timed_out(self._peer, "read"))

    def _head(self, deadline: float | None) -> None:
        peer, script = self._peer, self._peer.script
        if script is None:
            peer.ended = True
            return
        if peer.is_delayed(script.effect, time.monotonic):
            self._wait_until_due(deadline)
        if not peer.start_without_answer(script.effect):
            peer.start_paced_response(script.answer(), time.monotonic)
            peer.chunks = iter(peer.response.stream)
            self._body()

    def _body(self) -> None:
        peer = self._peer
        try:
            while True:
                peer.send_chunk(next(peer.chunks))
                if not peer.complete:
                    return
        except StopIteration:
            peer.end_response()
            self._release()

    def _release(self) -> None:
        self._peer.chunks = None
        response, self._peer.response = self._peer.response, None
        if response is not None:
            response.close()

    def close(self) -> None:
        """The client hangs up."""
        self._peer.ended = True
        if self._streams is not None:
            self._streams.close()
        self._release()
