"""stdin and signals: waiting for input, or for a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

from .case import blocks
from .resources import BRIEF, later


@blocks("stdin")
async def asking(typed):
    input()  # <- here


@blocks("stdin")
async def a_line(typed):
    sys.stdin.readline()  # <- here


@blocks("stdin")
async def each_line(typed):
    for _ in sys.stdin:  # <- here
        pass


@blocks("stdin")
async def bytes_of_it(typed):
    sys.stdin.buffer.read(1)  # <- here


@blocks("stdin")
async def its_descriptor(typed):
    os.read(0, 1)  # <- here


@contextlib.contextmanager
def blocked(number):
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])


@blocks("lock")
async def sigtimedwait():
    with blocked(signal.SIGUSR1):
        signal.sigtimedwait([signal.SIGUSR1], BRIEF)  # <- here


@blocks("lock")
async def sigwait():
    with blocked(signal.SIGALRM):
        # To this thread: one to the process ends it in a thread that does not wait.
        later(signal.pthread_kill, threading.get_ident(), signal.SIGALRM)
        signal.sigwait([signal.SIGALRM])  # <- here
