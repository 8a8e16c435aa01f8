"""The steps of trio's tasks, timed by an instrument of trio's; see `step_watch.py`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from . import thread_stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from .dispatcher import Hub
    from .thread_state import Cell


class Steps(Protocol):
    """What judges the steps."""

    threshold: float

    def late(self, cell: Cell) -> None:
        """The first step, or none has begun for long."""

    def close(self, cell: Cell, now: float, context: Context, callback: object) -> None:
        """A step was too long."""

    def clean(self, cell: Cell) -> None:
        """A step has ended that left something to be cleaned up."""


class TrioSteps:
    """Times trio's task steps, by an instrument in each run."""

    def __init__(self, hub: Hub, watch: Steps) -> None:
        self.hub = hub
        self.watch = watch
        self._undo: Callable[[], None] | None = None
        self.live = False

    def install(self) -> None:
        """Time every run from now on that begins, if trio is imported."""
        runs: Any = sys.modules.get("trio._core._run")
        original = getattr(runs, "setup_runner", None)
        if original is None or self._undo is not None:
            return

        def setup_runner(*args: Any, **kwargs: Any) -> Any:
            runner = original(*args, **kwargs)
            runner.instruments.add_instrument(_RunSteps(self))
            return runner

        def undo() -> None:
            if runs.setup_runner is setup_runner:
                runs.setup_runner = original

        runs.setup_runner, self._undo = setup_runner, undo

    def remove(self) -> None:
        """Leave the runs to come alone."""
        if self._undo is not None:
            self._undo()
            self._undo = None


class _RunSteps:
    """The instrument of one run, which stays on one thread; trio calls it around each step."""

    __slots__ = ("_cell", "_clock", "_hub", "_local", "_owner", "_watch")

    def __init__(self, owner: TrioSteps) -> None:
        self._owner, self._hub, self._watch = owner, owner.hub, owner.watch
        self._local: object = None  # what the hub had when the cell was asked for
        self._cell: Any = None
        self._clock = getattr(thread_stats.perf_counter, "func", thread_stats.perf_counter)

    def before_task_step(self, task: Any) -> None:
        """A step begins."""
        if self._owner.live:
            if self._local is not self._hub.local:
                self._local, self._cell = self._hub.local, self._hub.cell()
            cell = self._cell
            cell.start = now = self._clock()
            if now > cell.stale:
                self._watch.late(cell)

    def after_task_step(self, task: Any) -> None:
        """A step ended."""
        cell = self._cell
        if cell is None or not cell.start or self._local is not self._hub.local:
            return
        now = self._clock()
        took = now - cell.start
        cell.steps.append(took)
        if took > self._watch.threshold and self._owner.live:
            self._watch.close(cell, now, task.context, task)
        cell.start = 0.0
        if cell.dirty:
            self._watch.clean(cell)
