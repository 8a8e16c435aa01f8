"""Virtual time on a trio run that is already going on.

trio asks its clock how long to sleep exactly when no task can run: that is the
one place where a run waits. So the run is given another clock, in mid-test if
need be, also in guest mode, in which anyio's runner uses trio. What counts as real work is in
`trio_pending_work.py`, what time does meanwhile in `jump_policy.py`.
"""

from __future__ import annotations

import math
import selectors
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from .._core.await_chains import describe_each, frames_of, line_of
from .._core.real_time import perf_counter
from .errors import ClockError
from .jump_policy import BUSY_STEPS, SLICE, JumpPolicy, Policy
from .selector import SETTLE
from .timeline import ClockWaiter, Timeline
from .trio_pending_work import TrioPendingWork, TrioTask

if TYPE_CHECKING:
    from collections.abc import Callable


def running_runner() -> Any:
    """trio's record of the run that the caller is in."""
    run: Any = trio._core._run
    return run.GLOBAL_RUN_CONTEXT.runner


class TrioClockWaiter:
    """What `advance()` waits for on trio."""

    def __init__(self) -> None:
        self._event = trio.Event()
        self._error: Exception | None = None
        self._left = False

    def done(self) -> bool:
        """Reached, or given up by who waited."""
        return self._left or self._event.is_set()

    def set_result(self, result: None, /) -> None:
        """Reached."""
        self._event.set()

    def set_exception(self, error: Exception, /) -> None:
        """It will never be reached."""
        self._error = error
        with suppress(RuntimeError):  # the run is over already
            self._event.set()

    def __await__(self) -> Any:
        return self._wait().__await__()

    async def _wait(self) -> None:
        try:
            await self._event.wait()
        finally:
            self._left = True
        if self._error is not None:
            raise self._error


class TrioTimeline(Timeline):
    """Virtual time of a trio run, with the run's own deadlines."""

    def __init__(self, runner: Any) -> None:
        super().__init__(runner.clock.current_time())
        self._deadlines = runner.deadlines

    def new_waiter(self) -> ClockWaiter:
        """An event of trio's."""
        return TrioClockWaiter()

    def next_timer(self) -> tuple[int, float] | None:
        """The nearest deadline of a cancel scope; a sleep is one too."""
        when = self._deadlines.next_deadline()
        return None if when == math.inf else (self.due(when), when)


class VirtualTrioClock(trio.abc.Clock):
    """The clock of the run while time is virtual."""

    def __init__(
        self, runner: Any, timeline: Timeline, policy: JumpPolicy, on_deadlock: Callable[[], None]
    ) -> None:
        self._runner = runner
        self._timeline = timeline
        self._jump_policy = policy
        self._work = TrioPendingWork(runner)
        self._on_deadlock = on_deadlock
        self._poll = _ready_check(runner)
        self._settled = False
        self._since: float | None = None
        self._account: Callable[[float], None] = policy.add_waited

    def start_clock(self) -> None:
        """The run has begun long since."""

    def current_time(self) -> float:
        """Seconds; trio calls this first after it has waited, so waiting is counted here."""
        if self._since is not None:
            waited, self._since = perf_counter() - self._since, None
            self._account(waited)
        policy = self._jump_policy
        policy.steps += 1  # called at each step of the run, and sometimes in between
        if policy.steps > BUSY_STEPS:
            policy.on_busy_loop(self._next_task_line)
        return self._timeline.now

    def _next_task_line(self) -> str:
        """The line of the next ready task."""
        lines = (line_of(task) for task in self._runner.runq)
        return next((line for line in lines if line), "not in your code")

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """No task can run: how long to wait (real seconds); 0 after time has moved."""
        self.current_time()
        self._jump_policy.on_idle()
        if self._is_ready():
            self._jump_policy.on_event()
            self._settled = False
            return 0
        if self._runner.waiting_for_idle:
            return math.inf  # a real cushion, which trio itself looks after
        work = self._work.find()
        # A thread may have delivered while we looked, and be idle by now.
        if self._is_ready():
            return 0
        if work is not None:
            return self._wait(self._jump_policy.slice_for(work), self._jump_policy.add_waited)
        return self._idle()

    def _idle(self) -> float:
        if self._work.descriptors and not self._settled:
            self._settled = True
            return SETTLE
        self._settled = False
        if _waits_for_pytest(self._runner):
            return math.inf
        return 0 if self._jump_policy.jump() else self._nothing_to_wait_for()

    def _is_ready(self) -> bool:
        # A thread writes to the queue first and wakes the run up after that.
        return bool(self._runner.runq or self._runner.entry_queue.queue or self._poll())

    def _wait(self, duration: float, account: Callable[[float], None]) -> float:
        self._since, self._account = perf_counter(), account
        return duration

    def _nothing_to_wait_for(self) -> float:
        """No deadline and no work: a deadlock, unless external I/O may still arrive."""
        if self._work.has_listener():
            return SLICE
        if self._jump_policy.should_wait(self._work.has_open_io()):
            return self._wait(SLICE, self._jump_policy.add_stuck)
        self._jump_policy.deadlock_reported = True
        try:
            self._on_deadlock()
        except Exception as error:
            _raise_in_main(self._runner, error)
        return 0

    def __repr__(self) -> str:
        return f"<VirtualTrioClock {self._timeline!r}, {self._jump_policy!r}>"


class ShiftedTrioClock(trio.abc.Clock):
    """The run's clock once virtual time is over: the stock clock plus an offset."""

    def __init__(self, stock: Any, now: float) -> None:
        self.stock: Any = stock.stock if isinstance(stock, ShiftedTrioClock) else stock
        self.offset = now - self.stock.current_time()

    def start_clock(self) -> None:
        """The run has begun long since."""

    def current_time(self) -> float:
        """Seconds; goes on from the virtual time."""
        return float(self.stock.current_time() + self.offset)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Real seconds until then."""
        return deadline - self.current_time()


class TrioInstallation:
    """What is put on one run; `uninstall()` takes it off."""

    def __init__(
        self,
        runner: Any,
        notes: list[str],
        *,
        freeze_bound: float,
        policy: Policy,
        on_deadlock: Callable[[str], None],
    ) -> None:
        _check(runner)
        self.owner: Any = runner
        self.timeline = TrioTimeline(runner)
        self.jump_policy = JumpPolicy(
            self.timeline, notes, freeze_bound=freeze_bound, policy=policy
        )
        self._stock = runner.clock
        runner.clock = VirtualTrioClock(
            runner, self.timeline, self.jump_policy, lambda: on_deadlock(describe_run(runner))
        )

    def is_here(self) -> bool:
        """Is the caller running in this run?"""
        return bool(trio.lowlevel.in_trio_run()) and running_runner() is self.owner

    def uninstall(self, error: Exception) -> None:
        """Give the run its own time, which goes on from here; `error` for who waits for us."""
        self.owner.clock = ShiftedTrioClock(self._stock, self.timeline.now)
        self.timeline.fail_waiters(error)

    def __repr__(self) -> str:
        return f"<TrioInstallation {self.timeline!r}, {self.jump_policy!r}>"


def describe_run(runner: Any) -> str:
    """The await chain of every task of a run, trio's own system tasks left out."""
    system = (None, runner.init_task)
    tasks = [
        TrioTask(task)
        for task in runner.tasks
        if task not in system and "trio._core" not in _owner_of(task)
    ]
    return describe_each(tasks)


def _owner_of(task: Any) -> str:
    frames = frames_of(TrioTask(task))
    return str(frames[0].f_globals.get("__name__", "")) if frames else ""


def _waits_for_pytest(runner: Any) -> bool:
    """Has anyio's runner done what pytest requested? Then nothing happens by itself."""
    if not runner.is_guest or runner.main_task is None:
        return False
    frames = frames_of(TrioTask(runner.main_task))
    return (
        len(frames) > 1
        and frames[0].f_code.co_name == "_run_tests_and_fixtures"
        and frames[1].f_code.co_name in ("__anext__", "receive")
    )


def _raise_in_main(runner: Any, error: Exception) -> None:
    """Raise in the main task: out of the clock, it would be an internal error of trio's."""

    def raise_it() -> None:
        raise error

    if runner.main_task is not None and runner.main_task._abort_func is not None:
        runner.main_task._attempt_abort(raise_it)
    else:
        raise_it()


def _ready_check(runner: Any) -> Callable[[], bool]:
    """Is there an event for the run? Checked without consuming it."""
    manager = runner.io_manager
    poller = getattr(manager, "_epoll", None) or getattr(manager, "_kqueue", None)
    if poller is None or not hasattr(selectors, "PollSelector"):
        raise ClockError(
            "virtual time on trio needs epoll or kqueue, which this platform has not: run this "
            "test on the asyncio backend (on Windows with asyncio.SelectorEventLoop)"
        )
    # By way of `selectors`: that is what a blocking guard takes for an event loop that waits.
    poll = selectors.PollSelector()
    poll.register(poller.fileno(), selectors.EVENT_READ)
    return lambda: bool(poll.select(0))


def _check(runner: Any) -> None:
    clock = runner.clock
    if isinstance(clock, VirtualTrioClock):
        raise RuntimeError("another clock is already installed on this trio run; one clock a run")
    if not isinstance(clock, (trio._core._run.SystemClock, ShiftedTrioClock)):
        raise ClockError(
            f"virtual time takes the place of trio's own clock, but this run was started with "
            f"{type(clock).__name__}: remove it (the fixtures mock_clock and autojump_clock of "
            "pytest-trio, or `clock` in the options of anyio_backend) or don't ask for `clock`"
        )
