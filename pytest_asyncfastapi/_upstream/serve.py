"""`upstream.serve()`: the same routes and faults behind a real socket on loopback.

For clients that are not httpx. Accepts connections and ends them, in threads
of its own, so that a client may block the thread or the loop it is on; what a
request gets is the business of `request_handler.py`. Everything here takes real time.
"""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import anyio.to_thread
import h11
import httpx

from .memory_socket import MemorySocket
from .peer import Peer
from .script import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .script import Script

_TICK = 0.02  # how often (s) a waiting thread looks whether it is still wanted
_LONG = 30.0  # no move of a tape takes longer without a wait of its own (s)
_RESET = struct.pack("ii", 1, 0)


class ServedCall(Protocol):
    """One request that has been read, while it is answered."""

    script: Script

    def done(self, error: str = "") -> None:
        """The answer has been said, or the call broke off; once is enough."""


class RequestHandler(Protocol):
    """Says what a request gets: `request_handler.py` has the one there is."""

    base: str

    def bind(self) -> None:
        """The server begins to listen."""

    def request(self, head: h11.Request, body: bytes) -> httpx.Request:
        """The request as routes see it."""
        ...

    def handle(self, request: httpx.Request) -> ServedCall:
        """What it gets; out until its `done()`."""
        ...

    def error_response(self, error: Exception) -> tuple[int, str]:
        """Status and text where a side effect has raised."""
        ...

    def record_error(self, error: Exception) -> None:
        """Something raised in a thread of the server."""


class _ConnectionClosed(Exception):
    """The client has hung up, or the server stops."""


class Serving:
    """A server for `with` or `async with`; `url` is what the app has to call.

    A request to `url` + path is routed as if it had been sent to the base URL.
    """

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self._port = 0
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._stopped = threading.Event()

    @property
    def place(self) -> tuple[str, int]:
        """Where it listens: a host and a port."""
        return ("127.0.0.1", self._port)

    @property
    def url(self) -> str:
        """The base URL on loopback, without a slash at its end."""
        if not self._port:
            raise RuntimeError(
                "the server has no URL before it runs: write `async with upstream.serve(...) as "
                "server:`, or `with` in a test that is not async"
            )
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Serving:
        """Listen. The end of the test stops what nobody has stopped.

        Returns:
            This server.
        """
        if self._listener is None:
            self._handler.bind()
            self._stopped.clear()
            self._listen()
        return self

    def stop(self) -> None:
        """Close the port and all connections, and wait for the threads; harmless twice."""
        self._stopped.set()
        self._hush()

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Close the port for a while: connections are refused, and open ones are closed.

        Returns:
            A context manager.

        Example:
            ```python
            with server.refused():
                assert (await asgi_client.post("/checkout")).status_code == 503
            ```
        """
        self._hush()
        try:
            yield
        finally:
            self._listen()

    def __enter__(self) -> Serving:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    async def __aenter__(self) -> Serving:
        return self.start()

    async def __aexit__(self, *error: object) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.stop)

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._listener.settimeout(_TICK)
        self._acceptor = self._thread(self._accept, self._listener)

    def _hush(self) -> None:
        listener, self._listener = self._listener, None
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.join()
        if listener is not None:
            listener.close()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in open_now:
            thread.join(_LONG)

    def _thread(self, run: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(
            target=run, args=arguments, name="asyncfastapi-serve", daemon=True
        )
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._thread(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections[threading.current_thread()] = connection
        try:
            _Connection(connection, self._handler, self._stopped).run()
        except (_ConnectionClosed, OSError):
            pass  # whoever called has gone, or we have
        except Exception as error:
            self._handler.record_error(error)
        finally:
            connection.close()
            with self._lock:
                del self._connections[threading.current_thread()]

    def __repr__(self) -> str:
        where = f"http://127.0.0.1:{self._port}" if self._listener is not None else "not running"
        return f"<Serving {self._handler.base} at {where}>"


class _ServerSocket(MemorySocket):
    """The in-memory end, whose waits end when nobody needs them any more."""

    def __init__(self, peer: Peer, pause: Any) -> None:
        super().__init__(peer)
        self._pause = pause
        self.settimeout(_LONG)

    def _wait_until_due(self, deadline: float | None) -> None:
        self._pause(self._peer.due - time.monotonic())

    def _go_silent(self, deadline: float | None) -> None:
        self._pause(None)

    def recv(self, limit: int) -> bytes:
        self.settimeout(_LONG + max(0.0, self._peer.due - time.monotonic()))
        return super().recv(limit)


class _Connection:
    """One connection: read a request, play its answer, and again."""

    def __init__(
        self, connection: socket.socket, handler: RequestHandler, stopped: threading.Event
    ) -> None:
        self._socket = connection
        self._handler = handler
        self._stopped = stopped
        self._left = b""

    def run(self) -> None:
        """Serve until either side has enough."""
        peer = Peer()
        end = _ServerSocket(peer, self._pause)
        while not self._stopped.is_set() and not peer.ended:
            request, line = self._read()
            if request is None:
                return
            turn = self._handler.handle(request)
            token = SCRIPT.set(turn.script)
            try:
                peer.receive_data(line)
                self._play(peer, end, turn)
            finally:
                SCRIPT.reset(token)
                turn.done("Broken")

    def _read(self) -> tuple[httpx.Request | None, bytes]:
        """The next request, and its head as far as its answer depends on it."""
        parser, body = h11.Connection(h11.SERVER), b""
        head: h11.Request | None = None
        data = self._left
        while True:
            if data:  # nothing would say that the client has closed
                parser.receive_data(data)
            while True:
                try:
                    event = parser.next_event()
                except h11.RemoteProtocolError as error:
                    self._socket.sendall(_worded(400, f"this is not an HTTP/1.1 request: {error}"))
                    return None, b""
                if event is h11.NEED_DATA:
                    break
                if isinstance(event, h11.Request):
                    head = event
                    if parser.they_are_waiting_for_100_continue:
                        self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    self._left = parser.trailing_data[0]
                    return self._handler.request(head, body), _line(head)
                else:
                    return None, b""
            data = self._socket.recv(65536)
            if not data:
                return None, b""

    def _play(self, peer: Peer, end: _ServerSocket, turn: ServedCall) -> None:
        if turn.script.effect.at == "upload":
            self._reset(turn)
        while not peer.idle:
            try:
                data = end.recv(65536)
            except (ConnectionResetError, httpx.TransportError):
                self._reset(turn)  # the fault, or a side effect that raises such an error
            except _ConnectionClosed:
                raise
            except Exception as error:
                turn.done(type(error).__name__)
                self._socket.sendall(_worded(*self._handler.error_response(error)))
                raise _ConnectionClosed from None
            else:
                if peer.idle or not data:
                    turn.done()  # before the client can know, or it would overlap with its next
                if not data:
                    raise _ConnectionClosed
                self._socket.sendall(data)

    def _reset(self, turn: ServedCall) -> NoReturn:
        turn.done("Reset")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()
        raise _ConnectionClosed

    def _pause(self, duration: float | None) -> None:
        """Wait (None: forever), but not for a client that has gone nor after the end."""
        until = math.inf if duration is None else time.monotonic() + duration
        while (left := until - time.monotonic()) > 0:
            if self._stopped.wait(min(_TICK, left)) or self._hung_up():
                raise _ConnectionClosed

    def _hung_up(self) -> bool:
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False


def _line(head: h11.Request) -> bytes:
    """The head of a request without a body, that keeps the connection as the client does."""
    kept = [(n, v) for n, v in head.headers if n in (b"connection", b"host")]
    lines = [b"%s %s HTTP/%s" % (head.method, head.target, head.http_version)]
    lines += [b"%s: %s" % item for item in kept]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _worded(status: int, text: str) -> bytes:
    body = text.encode()
    return (
        b"HTTP/1.1 %d Not served\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)
    )
