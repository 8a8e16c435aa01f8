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
    """Times trio's task steps; trio calls it as an instrument."""

    def __init__(self, hub: Hub, watch: Steps) -> None:
        self._hub = hub
        self._watch = watch
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
            runner.instruments.add_instrument(self)
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

    def before_task_step(self, task: Any) -> None:
        """A step begins."""
        if self.live:
            try:
                cell = self._hub.local.cell
            except AttributeError:
                cell = self._hub.cell()
            cell.start = now = thread_stats.perf_counter()
            if now > cell.stale:
                self._watch.late(cell)

    def after_task_step(self, task: Any) -> None:
        """A step ended."""
        try:
            cell = self._hub.local.cell
        except AttributeError:
            return
        if not cell.start:
            return
        now = thread_stats.perf_counter()
        cell.steps.append(now - cell.start)
        if self.live and now - cell.start > self._watch.threshold:
            self._watch.close(cell, now, task.context, task)
        cell.start = 0.0
        if cell.dirty:
            self._watch.clean(cell)
