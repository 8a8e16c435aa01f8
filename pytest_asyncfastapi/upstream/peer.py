"""The server's end of one in-memory connection, without any waiting.

Parses what the client writes with h11, and turns a response into bytes. What
is to happen is told by a `Script`; when, and on which event loop, is decided
by `ends.py`. Knows no HTTP client library.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import h11

if TYPE_CHECKING:
    from collections.abc import Callable

Ending = Literal["answer", "stall", "reset", "close"]


@dataclass(frozen=True, slots=True)
class Script:
    """What the network does to one request.

    `connect` is played while the connection is made; `delay` (seconds) passes
    between the whole request and the response head; then comes the `ending`.
    `answer()` gives the response, or an awaitable of it for an async client.
    """

    answer: Callable[[], Any]
    connect: Literal["ok", "stall", "refused", "dns"] = "ok"
    delay: float = 0.0
    ending: Ending = "answer"


# Which script applies to the call that is being sent in this context.
SCRIPT: ContextVar[Script | None] = ContextVar("asyncfastapi_script", default=None)

# Is a call of this context on its way to the real network?
REAL: ContextVar[bool] = ContextVar("asyncfastapi_real", default=False)


class Peer:
    """One connection as the server sees it."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.SERVER)
        self._out = bytearray()
        self._tunnel = False
        self._bodiless = False
        self._left: int | None = None
        self.script: Script | None = None
        self.asked = False
        self.ended = False
        self.response: Any = None
        self.chunks: Any = None

    def hear(self, data: bytes) -> None:
        """Take what the client wrote; `asked` once a whole request has arrived."""
        self._h11.receive_data(data)
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Request):
                self.script = SCRIPT.get()
                self._tunnel = event.method == b"CONNECT"
                self._bodiless = event.method == b"HEAD"
            elif isinstance(event, h11.EndOfMessage):
                self._arrived()
                return
            elif not isinstance(event, h11.Data):
                return

    def _arrived(self) -> None:
        if not self._tunnel:
            self.asked = True
            return
        # A proxy: the tunnel stands at once, and what follows is a new connection.
        self._out += b"HTTP/1.1 200 Connection established\r\n\r\n"
        self._h11 = h11.Connection(h11.SERVER)

    def take(self, limit: int) -> bytes:
        """At most `limit` of the bytes that wait for the client."""
        data = bytes(self._out[:limit])
        del self._out[:limit]
        return data

    @property
    def waiting(self) -> bool:
        """Are there bytes that the client has not read yet?"""
        return bool(self._out)

    def begin(self, response: Any) -> None:
        """Say the response head; the body's chunks follow."""
        self.asked = False
        self.response = response
        reason = response.reason_phrase.encode("ascii", "ignore")
        head = h11.Response(
            status_code=response.status_code, headers=response.headers.raw, reason=reason
        )
        self._say(head)
        length = response.headers.get("content-length", "")
        self._left = int(length) if length.isdecimal() else None
        if self._bodiless or response.status_code in (204, 304):
            self._left = 0

    @property
    def complete(self) -> bool:
        """Has the whole body been said, so that the client will not ask for more?"""
        return self._left is not None and self._left <= 0

    def body(self, chunk: bytes) -> None:
        """Say a piece of the body."""
        if chunk:
            self._say(h11.Data(data=chunk))
            if self._left is not None:
                self._left -= len(chunk)

    def end(self) -> None:
        """Say that the body is complete, and be ready for the next request."""
        self._say(h11.EndOfMessage())
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self.ended = True

    def _say(self, event: Any) -> None:
        try:
            self._out += self._h11.send(event) or b""
        except h11.LocalProtocolError:
            # The body does not keep what the head promised: a real server's
            # connection ends here too.
            if isinstance(event, h11.Response):
                raise
            self.ended = True

    def __repr__(self) -> str:
        return f"<Peer {self._h11.states} script={self.script!r}>"
