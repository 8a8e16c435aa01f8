"""A schedule on an asyncio loop that is already running, put on and taken off again.

The loop's ready queue is replaced on the instance, so anyio's runner and
pytest-asyncio work alike. Virtual time must be on: its `select()` is called between
any two steps, and detects deadlocks.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from ..._clock import ClockError
from ..._clock.on_asyncio import check_selector
from ..._clock.selector import VirtualSelect
from ..._core.await_chains import describe_each
from ..._core.patches import Patches
from ..._core.tasks import NOT_EAGER
from .policies import Fifo
from .ready_queue import ControlledReadyQueue, Lane
from .worker_jobs import WorkerJobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .policies import Policy
    from .trace import StepRecorder

# A run that takes so many steps goes round in circles.
MOST_STEPS = 200_000
# With a database open, nothing happening for so many real seconds is a deadlock: no job of a
# thread is left at that moment.
_STUCK = 0.5


class ScheduledLoop:
    """One schedule on one loop, from its making to `end()`."""

    def __init__(
        self,
        loop: Any,
        *,
        on_stuck: Callable[[str], None],
        note: Callable[[str], None],
        recorder: StepRecorder | None = None,
    ) -> None:
        select = virtual_select(loop)
        if select is None:
            check_selector(loop)
            raise ClockError("schedules are explored in virtual time only: install a clock first")
        if isinstance(loop._ready, ControlledReadyQueue):
            raise RuntimeError("a schedule is being explored on this loop already; one at a time")
        self._loop = loop
        self._select = select
        self._on_stuck = on_stuck
        self._recorder = recorder
        self._marks = False
        self._marked = 0
        self._stock = loop._ready
        self._others = asyncio.all_tasks(loop)
        self.lanes = lanes = ControlledReadyQueue(threading.get_ident())
        lanes.wakeup = loop._selector.get_key(loop._ssock).data[0]
        self.jobs = WorkerJobs(lanes, select.work, note)
        lanes.taken = self._taken
        self._before = (select.on_deadlock, select.jump_policy.freeze_bound)
        # Many runs without a rest between them are not a loop that polls.
        select.jump_policy.on_idle()
        select.jump_policy.freeze_bound = min(select.jump_policy.freeze_bound, _STUCK)
        select.on_deadlock = self._deadlock
        self._patches = Patches()
        self._patches.wrap(loop, "run_in_executor", self.jobs.watch_run_in_executor)
        self._patches.replace(loop, NOT_EAGER, True)
        while self._stock:
            lanes.add(self._stock.popleft())
        loop._ready = lanes
        select.scheduler_hooks = self

    def begin(self, policy: Policy) -> None:
        """From the next step on, `policy` chooses."""
        self._marks = isinstance(policy, Fifo)  # others change all the time
        self.lanes.policy = policy

    def before_poll(self) -> None:
        """A step is over."""
        self.jobs.finish_jobs()
        self.jobs.admit_results()

    def after_poll(self) -> None:
        """The selector has answered."""
        self.jobs.finish_jobs()
        self.jobs.admit_results()

    def _taken(self, lane: Lane, handle: Any) -> None:
        self.jobs.on_run(handle)
        if self._recorder is not None and self.lanes.policy is not None:
            if self._marks and len(self.lanes.changes) > self._marked:
                self._marked = len(self.lanes.changes)
                self._recorder.changed(lane)
            self._recorder.on_step(lane)
        if len(self.lanes.steps) % MOST_STEPS == MOST_STEPS - 1:
            self._on_stuck(
                f"This schedule has taken {MOST_STEPS} steps without an end: some task goes round "
                "in circles, waiting for another one without ever sleeping."
            )

    def _deadlock(self) -> None:
        tasks = asyncio.all_tasks(self._loop) - self._others
        self._on_stuck(
            "Deadlock: no task can run, no timer is set, and no thread or I/O is at work.\n"
            + describe_each(tasks, of_users=True)
        )

    def rest(self) -> None:
        """No policy any more: the ordinary order, until the end or another `begin()`."""
        self.lanes.policy = None
        if self._recorder is not None:
            self._recorder.finish()
            self._recorder = None

    def end(self) -> None:
        """Put everything back; what is ready runs in the ordinary order."""
        if self._select.scheduler_hooks is not self:
            return
        self.rest()
        self.jobs.end()
        self._select.scheduler_hooks = None
        self._select.on_deadlock, self._select.jump_policy.freeze_bound = self._before
        self._patches.undo()
        self.lanes.transfer_to(self._stock)
        self._loop._ready = self._stock

    def __repr__(self) -> str:
        return f"<ScheduledLoop {self.lanes!r}, {self.jobs!r}>"


def virtual_select(loop: Any) -> VirtualSelect | None:
    """What moves the time of this loop, if it is virtual."""
    select = getattr(getattr(loop, "_selector", None), "select", None)
    owner = getattr(select, "__self__", None)
    return owner if isinstance(owner, VirtualSelect) and owner.on else None
