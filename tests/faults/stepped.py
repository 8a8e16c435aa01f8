"""A clock for calls of a sync client: whoever waits moves it on, at once.

Such a client has no virtual time in a user's test, it really waits. Here its times are to be
exact, and on a busy machine too.
"""

import heapq
import threading
import time
from types import SimpleNamespace

from pytest_asyncfastapi._upstream import http2, real_waits


class SteppedTime:
    """The time of one thread, and what is to happen at which time."""

    def __init__(self):
        self.now = 1000.0
        self.planned = []

    def after(self, seconds, action):
        heapq.heappush(self.planned, (self.now + seconds, action))

    def wait(self, seconds, over=lambda: False):
        """Move on by so many seconds, or until it is over."""
        assert seconds is not None, "this wait would never end"
        until = self.now + seconds
        while not over() and self.planned and self.planned[0][0] <= until:
            self.now, action = heapq.heappop(self.planned)
            action()
        if not over():
            self.now = until
        return over()

    def install(self, monkeypatch, library):
        """For the in-memory network, and for the pool and the retries of this library."""
        clock = self

        class Event(threading.Event):
            def wait(self, timeout=None):
                return clock.wait(timeout, self.is_set)

        class Condition(threading.Condition):
            def wait(self, timeout=None):
                # As in reality it wakes up when the time is past.
                return clock.wait(timeout + 1e-9)

        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.wait)
        waits = SimpleNamespace(**{**vars(threading), "Event": Event, "Condition": Condition})
        core = __import__(f"{library.__name__.replace('httpx', 'httpcore')}._synchronization")
        for module in (real_waits, http2, core._synchronization):
            monkeypatch.setattr(module, "threading", waits)
