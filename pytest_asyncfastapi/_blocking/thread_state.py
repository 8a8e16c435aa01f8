"""What one thread is doing: its open calls, and the step of a loop that it is in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from .._core.frames import identity
from . import thread_stats

if TYPE_CHECKING:
    from types import FrameType

    from .catalog import Entry

# About so many of a test's last steps are kept, for its loop lag.
MOST_STEPS = 1 << 17
_NEAR = 8  # frames between a call and the user's line above it


class Seen(Protocol):
    """A recorded call whose end is still to come."""

    @property
    def below(self) -> int:
        """The id of the user's frame below which a library makes it; 0 if the user does."""
        ...

    def ended(self, duration: float, held: float, *, nested: bool = False) -> None:
        """Add the time that it took, and the part of it that counts (seconds).

        `nested` says that it happened inside another call of the same record.
        """

    def explain(self, args: str) -> None:
        """Add arguments that another witness saw."""


class Cells(Protocol):
    """Where the threads' cells are kept."""

    threshold: float  # seconds: of the steps that are judged

    def cell(self) -> Cell:
        """The calling thread's cell."""
        ...


class Pending:
    """A C call that has begun."""

    __slots__ = ("asleep", "callee", "cpu", "entry", "frame", "line", "others", "seen", "start")

    def __init__(self, entry: Entry, callee: int, frame: FrameType) -> None:
        self.entry = entry
        self.callee = callee
        self.frame = identity(frame)
        self.line = frame.f_lineno
        self.seen: list[Seen] = []
        self.asleep = 0
        self.cpu = 0.0  # of the thread, when it began
        self.others: float | None = None  # seconds that others took so far, if they may have
        self.start = 0.0


class Repeats:
    """What was recorded of the calls that a library makes again and again below one line.

    To copy a large file takes hundreds of calls, and to read the stack for each of them longer
    than the copy. A call by the same frames, at the same places, belongs to the same record.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[tuple[str, int], tuple[tuple[int, ...], list[Seen]]] = {}

    def find(self, entry: Entry, frame: FrameType) -> list[Seen] | None:
        """The records that such a call made before in this step, if there are any."""
        known = self.known.get((entry.name, identity(frame)))
        if known is None or known[0] != _places(frame, len(known[0]) // 2):
            return None
        return known[1]

    def keep(self, entry: Entry, frame: FrameType, user: int, seen: list[Seen]) -> None:
        """Note what a call has made, below the frame of the user's with this id."""
        outer: FrameType | None = frame
        for depth in range(1, _NEAR):
            outer = outer.f_back if outer is not None else None
            if identity(outer) == user:
                self.known[entry.name, identity(frame)] = (_places(frame, depth + 1), seen)
                return

    def __repr__(self) -> str:
        return f"<Repeats: {len(self.known)}>"


def _places(frame: FrameType | None, depth: int) -> tuple[int, ...]:
    """These frames, innermost first, and the line of all but the first, which moves on."""
    found: list[int] = []
    while frame is not None and len(found) < 2 * depth:
        found += (identity(frame), frame.f_lineno if found else 0)
        frame = frame.f_back
    return tuple(found)


# What belongs to the step that a thread is in.
_OF_A_STEP = (
    "start", "label", "explained", "own", "pending", "base", "sampled_slice", "samples", "repeats"
)  # fmt: skip


class Cell:
    """What one thread is doing: its open calls and its current slice of a step."""

    def __init__(self, hub: Cells) -> None:
        self.hub = hub
        self.ident = threading.get_ident()
        self.tid = threading.get_native_id()
        self.figures = thread_stats.ThreadFigures(self.ident, self.tid)
        self.start = 0.0  # of the slice, 0.0 between steps
        self.label: str | None = None  # of the slice, when a border began it
        self.explained = 0.0  # seconds of the slice that calls took
        self.own = 0.0  # seconds of CPU time of the slice that watching took
        self.collecting: tuple[float, ...] = ()  # since when, by both clocks
        self.pending: list[Pending] = []
        self.busy = False  # our own work: not to be watched
        self.on_loop = False  # this thread runs a loop; others have their cells by accident
        self.last: thread_stats.Snapshot | None = None
        self.stale = 0.0  # when that is too old to judge a step by
        self.base: thread_stats.Snapshot | None = None
        self.sampled_slice = 0.0
        self.samples: list[Any] = []
        self.pages = 0  # that the thread has had to wait for, when last asked
        self.repeats = Repeats()
        self.dirty = False  # something is to be cleaned up after the step
        self.steps: list[float] = []  # what each of the last slices took, in seconds

    def note(self, figures: thread_stats.Snapshot | None) -> None:
        """Keep the thread's newest figures, if there are any."""
        if figures is not None:
            self.last = figures
            self.stale = figures.at + self.hub.threshold / (2 if figures.proven else 5)
            if len(self.steps) > MOST_STEPS:
                del self.steps[:-MOST_STEPS]

    def refresh(self) -> None:
        """Read the figures, on the thread itself."""
        self.busy = True
        self.note((self.last is None and thread_stats.begun()) or self.figures.snapshot())
        self.pages = thread_stats.pages_read()
        self.busy = False

    def suspend(self) -> dict[str, Any]:
        """Another loop takes a step inside this one's; returns what `resume()` takes."""
        if self.sampled_slice != self.start:  # the figures of before it began, if any
            self.base, self.samples, self.sampled_slice = self.last, [], self.start
        outer = {name: getattr(self, name) for name in _OF_A_STEP}
        self.pending, self.samples, self.repeats = [], [], Repeats()
        self.clean()
        self.start = 0.0
        return outer

    def resume(self, outer: dict[str, Any], explained: float) -> None:
        """Go on with the outer step, `explained` seconds of which are reported already."""
        for name, value in outer.items():
            setattr(self, name, value)
        self.explained += explained
        self.dirty = True

    def forget(self) -> None:
        """Nothing is known of the steps so far."""
        self.clean()
        self.start = 0.0
        self.busy = self.on_loop = False
        self.samples, self.sampled_slice, self.base = [], 0.0, self.last
        self.stale = 0.0
        self.steps.clear()

    def clean(self) -> None:
        """Forget the step that ended; calls that it left open are over."""
        if self.pending:
            self.pending.clear()
        if self.repeats.known:
            self.repeats.known.clear()
        self.explained = self.own = 0.0
        self.label = None
        self.dirty = False


class Aside:
    """Work of our own in the user's step: not the user's time, and not to be watched."""

    __slots__ = ("_began", "_cell", "_cpu", "_hub", "_was")

    def __init__(self, hub: Cells) -> None:
        self._hub = hub

    def __enter__(self) -> None:
        cell = self._cell = self._hub.cell()
        self._was, cell.busy = cell.busy, True
        self._began = self._cpu = 0.0
        if cell.start:  # outside of a step nobody asks what it took
            self._began, self._cpu = thread_stats.perf_counter(), thread_stats.thread_time()

    def __exit__(self, *exc: object) -> None:
        cell = self._cell
        if self._began:
            cell.explained += thread_stats.perf_counter() - self._began
            cell.own += thread_stats.thread_time() - self._cpu
            cell.dirty = True
        cell.busy = self._was

    def __repr__(self) -> str:
        return f"<Aside of {self._hub!r}>"
