"""A loopback server whose first connection misbehaves; every later one is served.

Blocking sockets and threads: nothing here is the plugin's. Every wait is bounded.
"""

import socket
import ssl
import struct
import threading
from contextlib import ExitStack, suppress

PATIENCE = 5.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Loopback:
    """`fault(sock)` gets the first connection; `context` makes it a TLS server."""

    def __init__(self, fault=None, *, context=None, accepts=True, serve=None):
        self.made = 0
        self._fault, self._context, self._accepts = fault, context, accepts
        self._serve = serve or serve_ok
        self._open = ExitStack()
        self._threads = []
        self._stopped = threading.Event()

    def __enter__(self):
        self._socket = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        if self._accepts:
            self._begin(self._accept)
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE * 2)
        self._open.close()

    def _begin(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while not self._stopped.is_set():
            try:
                taken, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.made += 1
            fault = self._fault if self.made == 1 and self._fault else self._serve
            self._begin(self._handle, taken, fault)

    def _handle(self, taken, fault):
        taken.settimeout(PATIENCE)
        with taken, suppress(OSError):
            if self._context is not None:
                taken = self._context.wrap_socket(taken, server_side=True)
            with taken:
                fault(taken)


def ask(sock):
    """One request, with its body; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    return data


def serve_ok(sock):
    """Answer every request until the client goes."""
    while ask(sock):
        sock.sendall(OK)


def drain(sock):
    """Wait until the client goes."""
    while sock.recv(65536):
        pass


def finish(sock):
    """FIN, without an RST for what is unread."""
    raw = socket.socket.shutdown if isinstance(sock, ssl.SSLSocket) else type(sock).shutdown
    raw(sock, socket.SHUT_WR)
    with suppress(OSError):
        drain(sock)


def reset(sock):
    """RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
