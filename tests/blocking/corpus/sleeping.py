"""time: sleeping on the loop, however the sleep is written."""

from __future__ import annotations

import sched
import signal
import threading
import time
from datetime import timedelta
from time import sleep as nap

from .case import blocks
from .resources import BRIEF, later


@blocks("sleep")
async def by_its_name():
    time.sleep(0.001)  # <- here


@blocks("sleep")
async def imported_under_another_name():
    nap(0.001)  # <- here


@blocks("sleep")
async def for_no_time_at_all():
    time.sleep(0)  # <- here


@blocks("sleep")
async def a_timedelta():
    time.sleep(timedelta(milliseconds=1).total_seconds())  # <- here


@blocks("sleep")
async def retries_with_backoff():
    def attempt(number):
        if number < 2:
            raise ConnectionError
        return number

    for number in range(3):
        try:
            attempt(number)
        except ConnectionError:
            time.sleep(0.001 * 2**number)  # <- here


@blocks("sleep")
async def a_scheduler():
    plan = sched.scheduler()
    plan.enter(0.001, 1, print, ("",), {"end": ""})
    plan.run()  # <- here


@blocks("sleep")
async def polling():
    end = time.monotonic() + BRIEF
    while time.monotonic() < end:
        time.sleep(0.002)  # <- here


@blocks("sleep")
async def a_rate_limiter():
    class Limiter:
        def __enter__(self):
            time.sleep(0.001)  # <- here
            return self

        def __exit__(self, *exc):
            pass

    with Limiter():
        pass


@blocks("lock")
async def a_timer_signal():
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    later(signal.pthread_kill, threading.get_ident(), signal.SIGALRM)
    signal.pause()  # <- here
    signal.signal(signal.SIGALRM, before)
