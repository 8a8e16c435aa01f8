"""Who ran when, at which of the user's lines: a run of a schedule as people read it.

Each step of a task goes from one suspension to the next; the user's innermost
line at both ends is what is shown. Must not know how the order was chosen.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._core.await_chains import frames_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..._core.findings import Location
    from ..._core.frames import UserCode
    from .ready_queue import Lane

_ROWS = 60  # of an interleaving that are printed
# Where a task is suspended while a worker thread does its job, and what the job is called there.
_IN_THREAD = {"run_sync_in_worker_thread": "func", "to_thread": "func"}


@dataclass(frozen=True, slots=True)
class Row:
    """A task (`who`) ran until `where`, or (None) to its end; `what` describes how.

    `changed`: no task ran, but `who` goes first from here on, against the ordinary order.
    """

    who: str
    where: Location | None
    what: str = ""
    changed: bool = False

    def to_json(self) -> list[Any]:
        """Plain data for a report."""
        line = None if self.where is None else self.where.to_list()
        return [self.who, line, self.what, self.changed]


class StepRecorder:
    """Records where each task is suspended after its steps, for a run that is to be shown.

    The tasks of `others` were there before, and are left out.
    """

    def __init__(self, users: UserCode, others: Collection[object]) -> None:
        self._users = users
        self._others = others
        self._last: Lane | None = None
        self._positions: dict[int, tuple[Any, ...]] = {}
        self.rows: list[Row] = []

    def changed(self, lane: Lane) -> None:
        """From here on this lane goes first."""
        self.finish()
        self.rows.append(Row(lane.label, None, "goes first from here on", changed=True))

    def on_step(self, lane: Lane) -> None:
        """The step before is over, and one of `lane` begins."""
        self.finish()
        self._last = lane if lane.task is not None and lane.task not in self._others else None

    def finish(self) -> None:
        """Note where the last step has ended."""
        lane, self._last = self._last, None
        if lane is None or lane.task is None:
            return
        if lane.task.done():
            if lane.number in self._positions:
                self.rows.append(Row(lane.label, None, _end_of(lane.task)))
            return
        where, what, mark = self._position(lane.task)
        if where is not None and self._positions.get(lane.number) != mark:
            self._positions[lane.number] = mark
            self.rows.append(Row(lane.label, where, what))

    def _position(self, task: Any) -> tuple[Location | None, str, tuple[Any, ...]]:
        """The innermost of the user's lines, how it got there, and what identifies the position."""
        frames = frames_of(task)
        mine = [frame for frame in frames if self._users.owns(frame.f_code.co_filename)]
        code = _job_of(frames)
        if code is not None and self._users.owns(code.co_filename):
            where = self._users.location(code, code.co_firstlineno)
            return where, "in a worker thread", (code,)
        if not mine:
            return None, "", ()
        through = " > ".join(f"{one.f_code.co_name}:{one.f_lineno}" for one in mine[:-1])
        last = mine[-1]
        mark = tuple((id(one), one.f_lasti) for one in mine)
        where = self._users.location(last.f_code, last.f_lineno)
        return where, f"from {through}" if through else "", mark


def _job_of(frames: Sequence[Any]) -> Any:
    """The code of the job in a worker thread that these frames wait for."""
    for frame in reversed(frames):
        name = _IN_THREAD.get(frame.f_code.co_name)
        if name is None:
            continue
        job = frame.f_locals.get(name)
        while isinstance(job, functools.partial):
            job = job.func
        return getattr(job, "__code__", None)
    return None


def _end_of(task: Any) -> str:
    if task.cancelled():
        return "is cancelled"
    error = task.exception()
    return "ends" if error is None else f"fails with {type(error).__name__}"


def format_rows(rows: list[Row]) -> str:
    """The rows, numbered; the user's line below its place."""
    width = max((len(row.who) for row in rows), default=0)
    lines: list[str] = []
    for number, row in enumerate(rows[-_ROWS:], max(len(rows) - _ROWS, 0) + 1):
        if row.where is None:
            lines.append(f"{number:>4}  {row.who:<{width}}  {row.what}")
            continue
        function = row.where.function.rpartition(".")[2]
        how = f" ({row.what})" if row.what else ""
        lines.append(f"{number:>4}  {row.who:<{width}}  {row.where}, in {function}{how}")
        if row.where.source:
            lines.append(f"{'':>{width + 10}}{row.where.source}")
    if len(rows) > _ROWS:
        lines.insert(0, f"      ({len(rows) - _ROWS} earlier steps are left out)")
    return "\n".join(lines)
