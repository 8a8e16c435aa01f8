"""tls: the handshake, and what comes after it."""

from __future__ import annotations

import contextlib
import socket
import ssl

from .case import blocks


@blocks("tls")
async def wrap_socket(tls_server):
    left, context = tls_server
    context.wrap_socket(left).close()  # <- here


@blocks("tls")
async def do_handshake(tls_server):
    left, context = tls_server
    with context.wrap_socket(left, do_handshake_on_connect=False) as made:
        made.do_handshake()  # <- here


@blocks("tls")
async def recv(tls):
    tls.recv(5)  # <- here


@blocks("tls")
async def read(tls):
    tls.read(5)  # <- here


@blocks("tls")
async def recv_into(tls):
    tls.recv_into(bytearray(5))  # <- here


@blocks("tls")
async def sendall(tls):
    tls.sendall(b"x")  # <- here


@blocks("tls")
async def write(tls):
    tls.write(b"x")  # <- here


@blocks("tls")
async def unwrap(tls):
    tls.settimeout(1)
    with contextlib.suppress(OSError):
        tls.recv(5)  # <- here
        tls.unwrap()  # <- here


@blocks("tls")
async def get_server_certificate(hang_up):
    with contextlib.suppress(OSError):
        ssl.get_server_certificate(("127.0.0.1", hang_up), timeout=1)  # <- here


@blocks("network")
async def connect(hang_up):
    with socket.socket() as plain, contextlib.suppress(OSError):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with context.wrap_socket(plain, server_hostname="localhost") as made:
            made.connect(("127.0.0.1", hang_up))  # <- here
