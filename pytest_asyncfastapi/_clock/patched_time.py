"""`clock.patch_time()`: the functions of `time` return virtual time too.

Token expiry, keep-alive and retry budgets read `time.time()` and
`time.monotonic()`, not the loop. The names in the module `time` are replaced;
code that imported a function before (`from time import monotonic`) keeps the
real one, and so do our own stopwatches.
"""

from __future__ import annotations

import time
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

from .._core.patches import Patches
from .errors import ClockError
from .timeline import TICKS, round_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from .timeline import Timeline

_WALL = ("time", "time_ns")
_STOPWATCHES = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
_NS_A_TICK = 1_000_000_000 // TICKS


class PatchedTime:
    """The patch while it holds; `with` or `restore()` ends it."""

    def __init__(self, timeline: Timeline, *, datetime: bool = False) -> None:
        self._timeline = timeline
        self._began = timeline.ticks
        self._thread = get_ident()
        self._on = True
        self._travel: Any = None
        self._patches = Patches()
        self._names = _STOPWATCHES if datetime else (*_WALL, *_STOPWATCHES)
        if datetime:
            self._start_travel()
        for name in self._names:
            self._patches.wrap(time, name, partial(self._replacement, name))

    def _replacement(self, name: str, real: Callable[[], Any]) -> Callable[[], Any]:
        whole = name.endswith("_ns")
        base = real() if whole else round_up(real())
        began = self._timeline.now

        def replacement() -> Any:
            # Whoever took it out of `time` while it was patched may call it forever.
            if not self._on or get_ident() != self._thread:
                return real()
            if whole:
                return base + (self._timeline.ticks - self._began) * _NS_A_TICK
            return round_up(base + (self._timeline.now - began))

        return replacement

    def _start_travel(self) -> None:
        """`datetime` is written in C: only time-machine can reach it, for all threads at once."""
        try:
            import time_machine
        except ImportError:
            raise ClockError(
                "clock.patch_time(datetime=True) needs time-machine, which is not installed. Fix: "
                "pip install time-machine, or leave datetime=True out (time.time() and "
                "time.monotonic() are patched without it)"
            ) from None
        # A float cannot hold nanoseconds this far from 1970: round to microseconds.
        self._travel = time_machine.travel(round(time.time(), 6), tick=False)
        traveller = self._travel.start()

        def moved(ticks: int) -> None:
            traveller.shift(ticks / TICKS)

        self._timeline.on_move = moved

    def restore(self) -> None:
        """Back to real time; a function that was replaced by others since is left alone."""
        if not self._on:
            return
        self._on = False
        self._patches.undo()
        if self._travel is not None:
            self._timeline.on_move = None
            self._travel.stop()

    def __enter__(self) -> PatchedTime:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def __repr__(self) -> str:
        return f"<PatchedTime {'of ' + ', '.join(self._names) if self._on else 'is over'}>"
