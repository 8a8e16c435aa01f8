"""When to jump: the loop's `select()`, the one place where a loop waits.

Called with a timeout above zero, the loop has nothing ready. Then real events
come first, then real work is waited for in short slices while time stands
still, and only when neither is left does time jump to the next timer.
This module must not know what counts as real work.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..units import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from .real_work import RealWork, Work
    from .timeline import Timeline

# A dying thread wakes nobody, so never wait longer than this.
_SLICE = 0.02
_FIRST_SLICE = 0.001
# Bytes between two sockets of this process are there at once, nearly.
_SETTLE = 0.001
# An unknown thread may be just about to end: only then does time flow for it.
_GRACE = 0.15


class VirtualSelect:
    """Stands in for `loop._selector.select` while virtual time is on."""

    def __init__(
        self,
        loop: Any,
        stock: Callable[..., list[Any]],
        timeline: Timeline,
        work: RealWork,
        *,
        freeze_bound: float,
        on_deadlock: Callable[[], None],
        notes: list[str],
    ) -> None:
        self._loop = loop
        self._stock = stock
        self._timeline = timeline
        self._work = work
        self._freeze_bound = freeze_bound
        self._on_deadlock = on_deadlock
        self._notes = notes
        self.real_waited = 0.0
        self._frozen = 0.0
        self._slice = _FIRST_SLICE
        self._flowing = False
        self._stuck = 0.0
        self._reported = False
        self.on = True

    def select(self, timeout: float | None = None) -> list[Any]:
        """Real events now, or wait, or move time and answer that nothing happened."""
        if not self.on or (timeout is not None and timeout <= 0):
            if self._reported:
                self._reported = False
            return self._stock(timeout)
        events = self._stock(0)
        if events or self._loop._ready:
            self._stuck = 0.0
            self._reported = False
            return events
        work = self._work.look()
        # A thread may have delivered while we looked, and be idle by now.
        if self._loop._ready:
            return events
        if work is not None:
            return self._wait_for(work)
        if self._work.descriptors:
            events = self._stock(_SETTLE)
            if events or self._loop._ready:
                return events
        return self._move()

    def _move(self) -> list[Any]:
        self._frozen = 0.0
        self._slice = _FIRST_SLICE
        self._flowing = False
        if self._timeline.jump():
            self._stuck = 0.0
            return []
        return self._nothing_to_wait_for()

    def _wait_for(self, work: Work) -> list[Any]:
        if not self._flowing and self._frozen >= (_GRACE if work.flows else self._freeze_bound):
            self._flowing = True
            self._note(work)
        wait = self._slice
        self._slice = min(self._slice * 2, _SLICE)
        when = self._timeline.next_when()
        if self._flowing and when is not None:
            wait = min(wait, max(when - self._timeline.now, 0.0))
        started = perf_counter()
        events = self._stock(wait)
        waited = perf_counter() - started
        if self._flowing:
            self._timeline.flow(waited)
        else:
            self._frozen += waited
            self.real_waited += waited
        return events

    def _note(self, work: Work) -> None:
        reason = (
            "nobody can tell whether this thread is idle"
            if work.flows
            else f"it still ran after {show(self._freeze_bound)} of real time"
        )
        note = f"virtual time runs at real speed because of {work.name}: {reason}"
        if note not in self._notes:
            self._notes.append(note)

    def _nothing_to_wait_for(self) -> list[Any]:
        """No timer and no work: a deadlock, unless something outside may still speak."""
        if self._work.somebody_listens():
            return self._stock(_SLICE)
        patient = self._reported or (
            self._stuck < self._freeze_bound and self._work.something_is_open()
        )
        if patient:
            started = perf_counter()
            events = self._stock(_SLICE)
            self._stuck += perf_counter() - started
            return events
        self._reported = True
        self._on_deadlock()
        return []

    def __repr__(self) -> str:
        state = "flows" if self._flowing else "frozen" if self._frozen else "jumps"
        return f"<VirtualSelect {state}, {self.real_waited:.3f} s of real waiting>"
