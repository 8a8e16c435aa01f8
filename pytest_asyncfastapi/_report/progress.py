"""How far a sweep is, behind what pytest has written on the line of the terminal so far.

Nothing is written to a pipe or a file, nor by a worker of pytest-xdist. With `-v` a line
stays for each sweep that has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.real_time import monotonic
from .._core.units import show

if TYPE_CHECKING:
    import pytest

    from .._explore.model import ExplorationResult

_EVERY = 0.1  # seconds between two changes
_LEAST = 12  # columns that are worth writing into


class Progress:
    """The progress of one sweep; shown with `-q` too."""

    def __init__(self, config: pytest.Config) -> None:
        terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        if hasattr(config, "workerinput"):
            terminal = None
        self._terminal: Any = terminal
        self._writer: Any = getattr(terminal, "_tw", None)
        self._live = terminal is not None and bool(terminal.isatty)
        self._keeps = terminal is not None and config.get_verbosity() > 0
        self._began = monotonic()
        self._last = 0.0

    def tell(self, explored: ExplorationResult) -> None:
        """One more point is done."""
        now = monotonic()
        if self._live and now - self._last > _EVERY:
            self._last = now
            self._write(short(explored, now - self._began))

    def end(self, explored: ExplorationResult) -> None:
        """All is done, or was broken off."""
        if self._live:
            self._write("")
        if self._keeps and (explored.results or explored.stopped):
            self._terminal.write_line(line(explored))

    def _write(self, text: str) -> None:
        """Put it behind the cursor, and the cursor back: pytest does not know of it."""
        width = self._writer.fullwidth - self._writer.width_of_current_line - 1
        text = f" {text}"[:width] if text and width >= _LEAST else ""
        back = f"\x1b[{len(text)}D" if text else ""
        self._writer._file.write(f"{text}\x1b[K{back}")
        self._writer._file.flush()


def short(explored: ExplorationResult, elapsed: float) -> str:
    """`"faults 12 of 44, 2 bad, about 8 s left"`: what has been run, and an estimate."""
    done, planned = len(explored.results), explored.planned
    count = f"{done} of {planned}" if planned is not None else f"{done}"
    bad = f", {len(explored.bad)} bad" if explored.bad else ""
    left = (planned or 0) - done
    estimate = f", about {show(elapsed / done * left)} left" if done and left > 0 else ""
    return f"{explored.kind} {count}{bad}{estimate}"


def line(explored: ExplorationResult) -> str:
    """`"faults sweep of test_x.py::test_y: 12 of 44 points, 2 bad"`."""
    done, planned = len(explored.results), explored.planned
    count = f"{done} of {planned}" if planned is not None and done < planned else f"{done}"
    bad = f", {len(explored.bad)} bad" if explored.bad else ""
    stopped = f"; stopped: {explored.stopped}" if explored.stopped else ""
    share = f" (share {explored.shard})" if explored.shard else ""
    return f"{explored.kind} of {explored.test}{share}: {count} points{bad}{stopped}"
