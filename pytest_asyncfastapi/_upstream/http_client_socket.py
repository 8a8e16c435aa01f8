"""A socket whose other end is a `Peer` in memory, for http.client and what is built on it.

And how urllib3 comes to one: by `create_connection`, and the function that wraps a socket in
TLS. Knows no routes.
"""

from __future__ import annotations

import io
import socket
import sys
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .handshake import TIMED_OUT, FakeSSLObject, fails_here
from .memory_socket import MemorySocket
from .network import Address, MemoryNetworkStream, next_attempt
from .peer import Peer
from .real_waits import wait_or_time_out
from .script import SCRIPT
from .tls_alerts import tls_error

if TYPE_CHECKING:
    from .sent_calls import SentCall

# The call that is being sent in this context.
SENT: ContextVar[SentCall | None] = ContextVar("asyncfastapi_sent", default=None)


class HttpClientSocket:
    """A connected socket, as far as http.client and urllib3 use one; `sent` is its call."""

    def __init__(self, peer: Peer, sent: SentCall | None) -> None:
        self._peer = peer
        self._end = MemorySocket(peer)
        self._age = MemoryNetworkStream.age
        # What is looked at before a kept connection is used again: readable once it is closed.
        self._mine, self._theirs = socket.socketpair()
        self._timeout: float | None = None
        self._files = 0
        self._closed = False
        self.sent = sent

    @property
    def is_current(self) -> bool:
        """Was it made for the scopes that are active, and is it still open?"""
        return self._age is MemoryNetworkStream.age and not (self._closed or self._peer.ended)

    def fileno(self) -> int:
        """Of a socket that becomes readable when the other side hangs up."""
        return self._mine.fileno()

    def settimeout(self, value: float | None) -> None:
        """Seconds that one call may take."""
        self._timeout = value
        self._end.settimeout(value)

    def gettimeout(self) -> float | None:
        """The seconds that were set."""
        return self._timeout

    def setsockopt(self, *args: Any) -> None:
        """It has no options."""

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        left = memoryview(data).cast("B")
        while left:
            left = left[self._end.send(bytes(left)) :]

    def recv(self, limit: int) -> bytes:
        """Receive; raises `TimeoutError` and `ConnectionResetError` as a socket does."""
        data = self._end.recv(limit)
        if self.sent is not None:
            if data:
                self.sent.on_data(data, whole=self._peer.idle)
            else:
                self.sent.on_closed("RemoteDisconnected")
        if self._peer.ended:
            self._theirs.close()
        return data

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        """To read from; the socket stays open as long as it does."""
        self._files += 1
        return io.BufferedReader(_File(self))

    def close(self) -> None:
        """Hang up, once nobody reads any more."""
        self._closed = True
        self._hang_up()

    def file_closed(self) -> None:
        """One reader less."""
        self._files -= 1
        self._hang_up()

    def _hang_up(self) -> None:
        if not self._closed or self._files > 0:
            return
        if self.sent is not None:
            error = sys.exception()  # what the client gives it up for
            self.sent.on_closed("" if error is None else type(error).__name__)
        self._end.close()
        self._mine.close()
        self._theirs.close()

    def shutdown(self, how: int) -> None:
        """Nothing more is said."""

    def selected_alpn_protocol(self) -> str:
        """What the handshake agreed on."""
        return FakeSSLObject(http2=False).selected_alpn_protocol()

    def version(self) -> str:
        """Of TLS."""
        return "TLSv1.3"

    def wrapped(self) -> HttpClientSocket:
        """The same, after the handshake."""
        self._peer.secure = True
        return self

    def __repr__(self) -> str:
        return f"<HttpClientSocket {self._peer!r}>"


class _File(io.RawIOBase):
    def __init__(self, sock: HttpClientSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._sock.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.file_closed()


def create_connection_in(original: Any) -> Any:
    """The replacement for urllib3's `create_connection`."""

    def create_connection(address: Any, timeout: Any = None, *args: Any, **given: Any) -> Any:
        script = next_attempt()
        if script is None:
            return original(address, timeout, *args, **given)
        effect, place = script.effect, Address(address[0], address[1])
        limit = timeout if isinstance(timeout, (int, float)) else None
        # A sync client resolves names before its limit begins.
        if effect.dns:
            wait_or_time_out(effect.dns, None)
        if effect.kind.stage == "resolve":
            raise place.unknown_host_error(effect.detail)
        deadline = None if limit is None else time.monotonic() + limit
        if effect.never_connects:
            wait_or_time_out(None, deadline)
        elif effect.connect:
            wait_or_time_out(effect.connect, deadline)
        if effect.is_refused:
            raise place.refused_error("sync")
        peer = Peer(time.monotonic() + effect.accept if effect.accept else 0.0)
        made = HttpClientSocket(peer, SENT.get())
        made.settimeout(limit)
        return made

    return create_connection


def wrap_in(original: Any) -> Any:
    """The replacement for urllib3's `_ssl_wrap_socket_and_match_hostname`."""

    def wrap(sock: Any, *, server_hostname: str, **given: Any) -> Any:
        if not isinstance(sock, HttpClientSocket):
            return original(sock, server_hostname=server_hostname, **given)
        from urllib3 import connection

        script, limit = SCRIPT.get(), sock.gettimeout()
        if script is not None and (script.effect.needs_tls or script.effect.accept):
            effect = script.effect
            deadline = None if limit is None else time.monotonic() + limit
            wait = None if effect.detail == "stall" else effect.accept + effect.tls
            wait_or_time_out(wait, deadline, TIMED_OUT)
            if fails_here(effect):
                raise tls_error(effect.detail, server_hostname)
        made: Any = connection._WrappedAndVerifiedSocket
        return made(socket=sock.wrapped(), is_verified=True)

    return wrap
