"""dns: asking for a name, by each function that does."""

from __future__ import annotations

import functools
import socket
from socket import getaddrinfo as resolve

from .case import blocks

local = functools.partial(socket.getaddrinfo, "127.0.0.1", 80)
CONFIG = {"resolver": socket.gethostbyname}


@blocks("dns")
async def getaddrinfo():
    socket.getaddrinfo("127.0.0.1", 80)  # <- here


@blocks("dns")
async def bound_at_import():
    resolve("127.0.0.1", 80)  # <- here


@blocks("dns")
async def a_partial_made_at_import():
    local()  # <- here


@blocks("dns")
async def from_a_table():
    CONFIG["resolver"]("127.0.0.1")  # <- here


@blocks("dns")
async def gethostbyname():
    socket.gethostbyname("127.0.0.1")  # <- here


@blocks("dns")
async def gethostbyname_ex():
    socket.gethostbyname_ex("127.0.0.1")  # <- here


@blocks("dns")
async def gethostbyaddr():
    try:
        socket.gethostbyaddr("127.0.0.1")  # <- here
    except OSError:
        pass


@blocks("dns")
async def getnameinfo():
    socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)  # <- here


@blocks("dns")
async def getfqdn():
    socket.getfqdn("127.0.0.1")  # <- here
