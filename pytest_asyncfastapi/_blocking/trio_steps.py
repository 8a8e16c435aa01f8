"""The steps of trio's tasks, timed by an instrument of trio's; see `step_timer.py`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from . import thread_stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from .dispatcher import Dispatcher
    from .thread_state import ThreadState


class Timer(Protocol):
    """The step timer, as this module needs it."""

    threshold: float

    def refresh_stats(self, state: ThreadState) -> None:
        """Read the statistics of the thread before its step."""

    def judge_slow_step(
        self, state: ThreadState, now: float, context: Context, callback: object
    ) -> None:
        """Judge a step that was too long."""

    def end_step(self, state: ThreadState) -> None:
        """Clean up after a step."""


class TrioStepTimer:
    """Times trio's task steps, by an instrument in each run."""

    def __init__(self, dispatcher: Dispatcher, timer: Timer) -> None:
        self.dispatcher = dispatcher
        self.timer = timer
        self._undo: Callable[[], None] | None = None
        self.live = False

    def install(self) -> None:
        """From now on, time every run that begins, if trio is imported."""
        runs: Any = sys.modules.get("trio._core._run")
        original = getattr(runs, "setup_runner", None)
        if original is None or self._undo is not None:
            return

        def setup_runner(*args: Any, **kwargs: Any) -> Any:
            runner = original(*args, **kwargs)
            runner.instruments.add_instrument(_TrioInstrument(self))
            return runner

        def undo() -> None:
            if runs.setup_runner is setup_runner:
                runs.setup_runner = original

        runs.setup_runner, self._undo = setup_runner, undo

    def remove(self) -> None:
        """Stop instrumenting new runs."""
        if self._undo is not None:
            self._undo()
            self._undo = None


class _TrioInstrument:
    """The instrument of one run, which stays on one thread; trio calls it around each step."""

    __slots__ = ("_clock", "_dispatcher", "_local", "_owner", "_state", "_timer")

    def __init__(self, owner: TrioStepTimer) -> None:
        self._owner, self._dispatcher, self._timer = owner, owner.dispatcher, owner.timer
        self._local: object = None  # the dispatcher's, when `_state` was read
        self._state: Any = None
        self._clock = getattr(thread_stats.perf_counter, "func", thread_stats.perf_counter)

    def before_task_step(self, task: Any) -> None:
        """A step begins."""
        if self._owner.live:
            if self._local is not self._dispatcher.local:
                self._local, self._state = self._dispatcher.local, self._dispatcher.thread_state()
            state = self._state
            state.start = now = self._clock()
            if now > state.stats_valid_until:
                self._timer.refresh_stats(state)

    def after_task_step(self, task: Any) -> None:
        """A step ended."""
        state = self._state
        if state is None or not state.start or self._local is not self._dispatcher.local:
            return
        now = self._clock()
        took = now - state.start
        state.step_times.append(took)
        if took > self._timer.threshold and self._owner.live:
            self._timer.judge_slow_step(state, now, task.context, task)
        state.start = 0.0
        if state.needs_cleanup:
            self._timer.end_step(state)

    def after_run(self) -> None:
        """The run is over; trio's objects know each other, and this one, until a collection."""
        self._local = self._state = None
