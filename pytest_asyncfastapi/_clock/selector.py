"""When to jump, on asyncio: the loop's `select()`, the one place where a loop waits.

Called with a timeout above zero, the loop has nothing ready. Then real events
come first, then real work is waited for in short slices, and only when
neither is left does time jump to the next timer. This module must not know
what counts as real work, nor what time does meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .._core.await_chains import line_of
from .._core.real_time import perf_counter
from .jump_policy import RESTLESS, SLICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jump_policy import Pace
    from .pending_work import RealWork, Work

# Bytes between two sockets of this process are there at once, nearly.
SETTLE = 0.001


class Steps(Protocol):
    """Who chooses the order of the loop's steps is told between any two of them."""

    def before(self) -> None:
        """A step is over; the selector is about to be asked."""

    def after(self) -> None:
        """The selector has answered."""


class VirtualSelect:
    """Stands in for `loop._selector.select` while virtual time is on."""

    def __init__(
        self,
        loop: Any,
        stock: Callable[..., list[Any]],
        pace: Pace,
        work: RealWork,
        *,
        on_deadlock: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._stock = stock
        self.pace = pace
        self.work = work
        self.on_deadlock = on_deadlock
        self.steps: Steps | None = None
        self.on = True
        self._moved = True  # since the last look, as far as anybody knows

    def select(self, timeout: float | None = None) -> list[Any]:
        """Real events now, or wait, or move time and answer that nothing happened."""
        steps = self.steps
        if steps is None:
            return self._events(timeout)
        steps.before()
        events = self._events(0 if self._loop._ready else timeout)
        steps.after()
        return events

    def _events(self, timeout: float | None) -> list[Any]:
        if not self.on or (timeout is not None and timeout <= 0):
            pace = self.pace
            if pace.told:
                pace.something_happened()
            pace.steps += 1
            if pace.steps > RESTLESS:
                pace.restless(self._who)
            return self._stock(timeout)
        self.pace.rests()
        events = self._stock(0)
        if events or self._loop._ready:
            self.pace.something_happened()
            return events
        if self._moved:
            self.work.threads.is_parked.moved()
        self._moved = True
        work = self.work.look()
        # A thread may have delivered while we looked, and be idle by now.
        if self._loop._ready:
            return events
        if work is not None:
            return self._wait_for(work)
        if self.work.descriptors:
            events = self._stock(SETTLE)
            if events or self._loop._ready:
                return events
        return [] if self.pace.jump() else self._nothing_to_wait_for()

    def _who(self) -> str:
        """Whose step comes next, and where it stands."""
        lines = (line_of(step._callback) for step in self._loop._ready)
        return next((line for line in lines if line), "not in your code")

    def _wait_for(self, work: Work) -> list[Any]:
        wait = self.pace.slice_for(work)
        started = perf_counter()
        events = self._stock(wait)
        self.pace.waited(perf_counter() - started)
        self._moved = bool(events or self._loop._ready or self.pace.is_due())
        return events

    def _nothing_to_wait_for(self) -> list[Any]:
        """No timer and no work: a deadlock, unless something outside may still speak."""
        if self.work.somebody_listens():
            return self._stock(SLICE)
        if self.pace.is_patient(self.work.something_is_open()):
            started = perf_counter()
            events = self._stock(SLICE)
            self.pace.stuck(perf_counter() - started)
            self._moved = bool(events or self._loop._ready)
            return events
        self.pace.told = True
        self.on_deadlock()
        if self._loop._ready:
            # What it has woken runs before we are asked again, and may wait forever once more.
            self.pace.something_happened()
        return []

    def __repr__(self) -> str:
        return f"<VirtualSelect {'on' if self.on else 'off'}, {self.pace!r}>"
