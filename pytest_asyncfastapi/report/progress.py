"""One line that says how far a sweep is, where somebody is watching (`-v` on a terminal)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..stopwatch import monotonic

if TYPE_CHECKING:
    import pytest

    from ..explore.points import Explored

_EVERY = 0.1  # seconds between two lines


class Progress:
    """Rewrites one line of the terminal; is silent under xdist, in a file, and without `-v`."""

    def __init__(self, config: pytest.Config) -> None:
        terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        worker = hasattr(config, "workerinput")
        shown = terminal is not None and not worker and config.get_verbosity() > 0
        self._terminal: Any = terminal if shown else None
        self._live = self._terminal is not None and bool(self._terminal.isatty)
        self._last = 0.0

    def tell(self, explored: Explored) -> None:
        """One point more is done."""
        now = monotonic()
        if self._live and now - self._last > _EVERY:
            self._last = now
            self._terminal.rewrite(line(explored), erase=True)

    def end(self, explored: Explored) -> None:
        """All is done, or was broken off."""
        if self._terminal is None or not (explored.results or explored.stopped):
            return
        if self._live:
            self._terminal.rewrite("", erase=True)
        self._terminal.write_line(line(explored))


def line(explored: Explored) -> str:
    """`"faults sweep of test_x.py::test_y: 12 of 44 points, 2 bad"`."""
    done, planned = len(explored.results), explored.planned
    count = f"{done} of {planned}" if planned is not None and done < planned else f"{done}"
    bad = f", {len(explored.bad)} bad" if explored.bad else ""
    stopped = f"; stopped: {explored.stopped}" if explored.stopped else ""
    share = f" (share {explored.shard})" if explored.shard else ""
    return f"{explored.kind} of {explored.test}{share}: {count} points{bad}{stopped}"
