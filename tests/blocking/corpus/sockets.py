"""socket: connecting, accepting, sending, receiving on sockets that block."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import socketserver

from .case import blocks
from .resources import later


@blocks("network")
async def create_connection(port):
    socket.create_connection(("127.0.0.1", port)).close()  # <- here


@blocks("network")
async def connect(port):
    with socket.socket() as client:
        client.connect(("127.0.0.1", port))  # <- here


@blocks("network")
async def connect_ex(port):
    with socket.socket() as client:
        client.connect_ex(("127.0.0.1", port))  # <- here


@blocks("network")
async def connect_with_a_timeout(port):
    with socket.socket() as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", port))  # <- here


@blocks("network")
async def accept(visitors):
    visitors.accept()[0].close()  # <- here


@blocks("network")
async def recv(pair):
    pair[1].recv(1)  # <- here


@blocks("network")
async def recv_into(pair):
    pair[1].recv_into(bytearray(1))  # <- here


@blocks("network")
async def recvmsg(pair):
    pair[1].recvmsg(1)  # <- here


@blocks("network")
async def recv_with_a_timeout(pair):
    pair[1].settimeout(1)
    pair[1].recv(1)  # <- here


@blocks("network")
async def recvfrom(datagrams):
    datagrams[0].recvfrom(1)  # <- here


@blocks("network")
async def recvfrom_into(datagrams):
    datagrams[0].recvfrom_into(bytearray(1))  # <- here


@blocks("network")
async def send(pair):
    pair[0].send(b"x")  # <- here


@blocks("network")
async def sendall(pair):
    pair[0].sendall(b"x")  # <- here


@blocks("network")
async def sendmsg(pair):
    pair[0].sendmsg([b"x"])  # <- here


@blocks("network")
async def a_datagram_that_nobody_has_room_for(full_datagrams):
    left, read_all = full_datagrams
    later(read_all)
    left.send(b"x" * 1000)  # <- here


@blocks("network")
async def sendfile(pair, binary):
    pair[0].sendfile(binary)  # <- here


@blocks("network")
async def a_line_of_a_file_of_a_socket(pair):
    with pair[1].makefile("rb") as stream:
        stream.readline()  # <- here


@blocks("network")
async def lines_of_a_file_of_a_socket(pair):
    pair[0].close()
    with pair[1].makefile() as stream:
        for _ in stream:  # <- here
            pass


@blocks("network")
async def writing_to_a_file_of_a_socket(pair):
    with pair[0].makefile("wb") as stream:
        stream.write(b"x")
        stream.flush()  # <- here


@blocks("network")
async def a_socket_server(visitors):
    class Server(socketserver.TCPServer):
        def server_bind(self):
            self.socket.close()
            self.socket = visitors

        def server_activate(self):
            pass

    server = Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    server.handle_request()  # <- here


@blocks("network")
async def smtp(hang_up):
    with contextlib.suppress(smtplib.SMTPException):
        smtplib.SMTP("127.0.0.1", hang_up)  # <- here
