"""The steps of trio's tasks, timed by an instrument of trio's; see `step_watch.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import kernel

if TYPE_CHECKING:
    from .hub import Hub
    from .step_watch import StepWatch


class TrioSteps:
    """Times trio's task steps; trio calls it as an instrument."""

    def __init__(self, hub: Hub, watch: StepWatch) -> None:
        self._hub = hub
        self._watch = watch
        self.live = False

    def before_task_step(self, task: Any) -> None:
        """A step begins."""
        if self.live:
            try:
                cell = self._hub.local.cell
            except AttributeError:
                cell = self._hub.cell()
            cell.start = now = kernel.perf_counter()
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
        now = kernel.perf_counter()
        cell.add_step(now - cell.start)
        if self.live and now - cell.start > self._watch.threshold:
            self._watch.close(cell, now, task.context, task)
        cell.start = 0.0
        if cell.dirty:
            self._watch.clean(cell)
