"""When to jump, on asyncio: the loop's `select()`, the one place where a loop waits.

Called with a timeout above zero, the loop has nothing ready. Then real events
come first, then real work is waited for in short slices, and only when
neither is left does time jump to the next timer. What counts as real work is in
`pending_work.py`, what time does meanwhile in `jump_policy.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .._core.await_chains import line_of
from .._core.real_time import perf_counter
from .jump_policy import BUSY_STEPS, SLICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jump_policy import JumpPolicy
    from .pending_work import PendingWork, WaitReason

# Bytes between two sockets of this process are there at once, nearly.
SETTLE = 0.001


class SchedulerHooks(Protocol):
    """Called between any two steps of the loop; for schedules, which choose their order."""

    def before_poll(self) -> None:
        """A step is over; the selector is about to be polled."""

    def after_poll(self) -> None:
        """The selector has answered."""


class VirtualSelect:
    """Stands in for `loop._selector.select` while virtual time is on."""

    def __init__(
        self,
        loop: Any,
        stock: Callable[..., list[Any]],
        policy: JumpPolicy,
        work: PendingWork,
        *,
        on_deadlock: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._stock = stock
        self.jump_policy = policy
        self.work = work
        self.on_deadlock = on_deadlock
        self.scheduler_hooks: SchedulerHooks | None = None
        self.on = True
        self._moved = True  # since the last look, as far as anybody knows

    def select(self, timeout: float | None = None) -> list[Any]:
        """Real events now, or wait, or move time and answer that nothing happened."""
        steps = self.scheduler_hooks
        if steps is None:
            return self._events(timeout)
        steps.before_poll()
        events = self._events(0 if self._loop._ready else timeout)
        steps.after_poll()
        return events

    def _events(self, timeout: float | None) -> list[Any]:
        if not self.on or (timeout is not None and timeout <= 0):
            policy = self.jump_policy
            if policy.deadlock_reported:
                policy.on_event()
            policy.steps += 1
            if policy.steps > BUSY_STEPS:
                policy.on_busy_loop(self._next_task_line)
            return self._stock(timeout)
        self.jump_policy.on_idle()
        events = self._stock(0)
        if events or self._loop._ready:
            self.jump_policy.on_event()
            return events
        if self._moved:
            self.work.threads.is_idle.on_loop_ran()
        self._moved = True
        work = self.work.find()
        # A thread may have delivered while we looked, and be idle by now.
        if self._loop._ready:
            return events
        if work is not None:
            return self._wait_for(work)
        if self.work.descriptors:
            events = self._stock(SETTLE)
            if events or self._loop._ready:
                return events
        return [] if self.jump_policy.jump() else self._nothing_to_wait_for()

    def _next_task_line(self) -> str:
        """The line of the next ready task."""
        lines = (line_of(step._callback) for step in self._loop._ready)
        return next((line for line in lines if line), "not in your code")

    def _wait_for(self, work: WaitReason) -> list[Any]:
        wait = self.jump_policy.slice_for(work)
        started = perf_counter()
        events = self._stock(wait)
        self.jump_policy.add_waited(perf_counter() - started)
        self._moved = bool(events or self._loop._ready or self.jump_policy.is_due())
        return events

    def _nothing_to_wait_for(self) -> list[Any]:
        """No timer and no work: a deadlock, unless external I/O may still arrive."""
        if self.work.has_listener():
            return self._stock(SLICE)
        if self.jump_policy.should_wait(self.work.has_open_io()):
            started = perf_counter()
            events = self._stock(SLICE)
            self.jump_policy.add_stuck(perf_counter() - started)
            self._moved = bool(events or self._loop._ready)
            return events
        self.jump_policy.deadlock_reported = True
        self.on_deadlock()
        if self._loop._ready:
            # What it has woken runs before the next poll, and may wait forever once more.
            self.jump_policy.on_event()
        return []

    def __repr__(self) -> str:
        return f"<VirtualSelect {'on' if self.on else 'off'}, {self.jump_policy!r}>"
