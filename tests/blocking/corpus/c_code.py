"""C code without any event: only the thread's state in the kernel shows it."""

from __future__ import annotations

import ctypes
import select
import time

from .case import blocks
from .resources import HOLD

libc = ctypes.CDLL(None)
libc_with_gil = ctypes.PyDLL(None)
MICROSECONDS = int(HOLD * 1_000_000)


class TimeSpec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


@blocks("unknown")
async def usleep():
    libc.usleep(MICROSECONDS)  # <- here


@blocks("unknown")
async def nanosleep():
    libc.nanosleep(ctypes.byref(TimeSpec(0, MICROSECONDS * 1000)), None)  # <- here


@blocks("unknown")
async def usleep_that_keeps_the_gil():
    libc_with_gil.usleep(5 * MICROSECONDS)  # <- here


@blocks("unknown")
async def poll():
    libc.poll(None, 0, int(HOLD * 1000))  # <- here


@blocks("unknown")
async def select_in_c():
    wait = ctypes.c_long * 2
    libc.select(0, None, None, None, wait(0, MICROSECONDS))  # <- here


@blocks("unknown")
async def read_from_a_socket(pair):
    libc.setsockopt(pair[0].fileno(), 1, 20, (ctypes.c_long * 2)(0, MICROSECONDS), 16)
    libc.recv(pair[0].fileno(), ctypes.create_string_buffer(9), 9, 0)  # <- here


@blocks("unknown")
async def connecting_in_c():
    libc.epoll_wait(libc.epoll_create(1), ctypes.create_string_buffer(12), 1, 100)  # <- here


@blocks("sleep")
async def map_calls_sleep():
    list(map(time.sleep, [0.001]))  # <- here


@blocks("unknown")
async def map_calls_select():
    list(map(select.select, [[]], [[]], [[]], [HOLD]))  # <- here


@blocks("unknown")
async def a_driver():
    class Driver:
        def query(self, sql):
            return libc.usleep(MICROSECONDS)  # <- here

    Driver().query("select 1")
