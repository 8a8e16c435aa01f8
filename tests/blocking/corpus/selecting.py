"""select: waiting for sockets and pipes with one's own selector."""

from __future__ import annotations

import select
import selectors
from multiprocessing import connection

from .case import blocks
from .resources import BRIEF


@blocks("network")
async def select_select():
    select.select([], [], [], BRIEF)  # <- here


@blocks("network")
async def poll(pair):
    waiting = select.poll()
    waiting.register(pair[0], select.POLLIN)
    waiting.poll(BRIEF * 1000)  # <- here


@blocks("network")
async def epoll(pair):
    with select.epoll() as waiting:
        waiting.register(pair[0], select.EPOLLIN)
        waiting.poll(BRIEF)  # <- here


@blocks("network")
async def a_selector(pair):
    with selectors.DefaultSelector() as selector:
        selector.register(pair[0], selectors.EVENT_READ)
        selector.select(BRIEF)  # <- here


@blocks("network")
async def a_plain_selector(pair):
    with selectors.SelectSelector() as selector:
        selector.register(pair[0], selectors.EVENT_READ)
        selector.select(BRIEF)  # <- here


@blocks("network")
async def a_bound_poll(pair):
    waiting = select.poll()
    waiting.register(pair[0], select.POLLIN)
    wait = waiting.poll
    wait(BRIEF * 1000)  # <- here


@blocks("network")
async def waiting_for_connections(pair):
    connection.wait([pair[0]], BRIEF)  # <- here
