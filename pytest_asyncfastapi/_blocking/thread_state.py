"""The state of one thread: its open calls, and the current step of its loop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from .._core.frames import identity
from . import thread_stats

if TYPE_CHECKING:
    from types import FrameType

    from .catalog import Entry

# About so many of the last step times are kept, for the loop lag.
MAX_STEP_TIMES = 1 << 17
_MAX_DEPTH = 20  # frames between a call and the user's line above it


class RecordedCall(Protocol):
    """A recorded call that has not ended yet."""

    @property
    def user_frame_id(self) -> int:
        """The id of the user's frame, if a library below it made the call; otherwise 0."""
        ...

    def add_time(self, duration: float, held: float, *, nested: bool = False) -> None:
        """Add the time that it took, and the part of it that counts (seconds).

        `nested` says that it happened inside another call of the same record.
        """

    def add_arguments(self, args: str) -> None:
        """Add arguments from another detector."""


class ThreadStateStore(Protocol):
    """What keeps the state of each thread."""

    threshold: float  # seconds: of the steps that are judged

    def thread_state(self) -> ThreadState:
        """The state of the calling thread."""
        ...


class OpenCall:
    """A C call that has begun."""

    __slots__ = (
        "callee",
        "cpu_time",
        "entry",
        "frame",
        "line",
        "other_time",
        "records",
        "skipped",
        "start",
        "switches",
    )

    def __init__(self, entry: Entry, callee: int, frame: FrameType) -> None:
        self.entry = entry
        self.callee = callee
        self.frame = identity(frame)
        self.skipped: tuple[Any, ...] = ()  # the argument of a call that is not reported yet
        self.line = 0  # in that frame, where the call is reported as it ends
        self.records: list[RecordedCall] = []
        self.switches = 0
        self.cpu_time = 0.0  # of the thread, when it began
        self.other_time: float | None = (
            None  # of other threads, when it began; None if it does not matter
        )
        self.start = 0.0


class RepeatedCalls:
    """The records of the calls that a library repeats below one line.

    To copy a large file takes hundreds of calls, and to read the stack for each of them longer
    than the copy. A call by the same frames, at the same places, belongs to the same record.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[tuple[str, int], tuple[tuple[int, ...], list[RecordedCall]]] = {}

    def find(self, entry: Entry, frame: FrameType) -> list[RecordedCall] | None:
        """The records of an earlier such call in this step, if there are any."""
        known = self.known.get((entry.name, identity(frame)))
        if known is None or known[0] != _stack_key(frame, len(known[0]) // 2):
            return None
        return known[1]

    def remember(
        self, entry: Entry, frame: FrameType, user: int, records: list[RecordedCall]
    ) -> None:
        """Keep the records of a call below the user's frame with this id."""
        outer: FrameType | None = frame
        for depth in range(1, _MAX_DEPTH):
            outer = outer.f_back if outer is not None else None
            if identity(outer) == user:
                self.known[entry.name, identity(frame)] = (_stack_key(frame, depth + 1), records)
                return

    def __repr__(self) -> str:
        return f"<RepeatedCalls: {len(self.known)}>"


def _stack_key(frame: FrameType | None, depth: int) -> tuple[int, ...]:
    """These frames, innermost first, and the instruction of all but the first, which moves on.

    Not the line: to find it, CPython reads the line table of the code from its start.
    """
    found: list[int] = []
    while frame is not None and len(found) < 2 * depth:
        found += (identity(frame), frame.f_lasti if found else 0)
        frame = frame.f_back
    return tuple(found)


# What `suspend()` saves for a nested loop.
_STEP_ATTRIBUTES = (
    "start", "accounted", "overhead_cpu", "open_calls", "base_stats", "sampled_slice",
    "samples", "repeated_calls", "metadata_time",
)  # fmt: skip


class ThreadState:
    """The open calls of one thread, and its current slice of a step."""

    def __init__(self, dispatcher: ThreadStateStore) -> None:
        self.dispatcher = dispatcher
        self.ident = threading.get_ident()
        self.native_id = threading.get_native_id()
        self.stats_reader = thread_stats.ThreadStatsReader(self.ident, self.native_id)
        self.loop: Any = None  # of asyncio, the one whose step was the last one here
        self.start = 0.0  # of the slice, 0.0 between steps
        self.accounted = 0.0  # seconds of the slice that calls took
        self.overhead_cpu = 0.0  # seconds of CPU time of the slice that monitoring took
        self.gc_started: tuple[float, ...] = ()  # of a collection: both clocks
        self.open_calls: list[OpenCall] = []
        self.paused = False  # the guard's own work is not monitored
        self.runs_loop = False  # this thread runs a loop; others may have a state, too
        self.last_stats: thread_stats.ThreadStats | None = None
        self.stats_valid_until = 0.0  # after that they are too old to judge a step by
        self.base_stats: thread_stats.ThreadStats | None = None
        self.sampled_slice = 0.0
        self.samples: list[Any] = []
        self.page_faults = 0  # major ones, when last read
        self.repeated_calls = RepeatedCalls()
        self.metadata_time = 0.0  # seconds of the slice in calls that were not reported
        self.needs_cleanup = False  # something is to be cleaned up after the step
        self.step_times: list[float] = []  # of the last slices, in seconds

    def set_stats(self, stats: thread_stats.ThreadStats | None) -> None:
        """Keep the thread's newest statistics, if there are any."""
        if stats is not None:
            self.last_stats = stats
            self.stats_valid_until = stats.at + self.dispatcher.threshold / (
                2 if stats.from_scheduler else 5
            )
            if len(self.step_times) > MAX_STEP_TIMES:
                del self.step_times[:-MAX_STEP_TIMES]

    def read_stats(self) -> None:
        """Read the statistics, on the thread itself."""
        self.paused = True
        self.set_stats(
            (self.last_stats is None and thread_stats.new_thread_stats())
            or self.stats_reader.read()
        )
        self.page_faults = thread_stats.major_page_faults()
        self.paused = False

    def suspend(self) -> dict[str, Any]:
        """Another loop takes a step inside this one's; returns what `resume()` takes."""
        if self.sampled_slice != self.start:  # the statistics from before it began, if any
            self.base_stats, self.samples, self.sampled_slice = self.last_stats, [], self.start
        outer = {name: getattr(self, name) for name in _STEP_ATTRIBUTES}
        self.open_calls, self.samples, self.repeated_calls = [], [], RepeatedCalls()
        self.end_step()
        self.start = 0.0
        return outer

    def resume(self, outer: dict[str, Any], accounted: float) -> None:
        """Go on with the outer step, `accounted` seconds of which are already reported."""
        for name, value in outer.items():
            setattr(self, name, value)
        self.accounted += accounted
        self.needs_cleanup = True

    def reset(self) -> None:
        """Forget the steps so far."""
        self.end_step()
        self.start = 0.0
        self.loop = None
        self.paused = self.runs_loop = False
        self.samples, self.sampled_slice, self.base_stats = [], 0.0, self.last_stats
        self.stats_valid_until = 0.0
        self.step_times.clear()

    def end_step(self) -> None:
        """Forget the step that ended; calls that it left open are over."""
        if self.open_calls:
            self.open_calls.clear()
        if self.repeated_calls.known:
            self.repeated_calls.known.clear()
        self.accounted = self.overhead_cpu = self.metadata_time = 0.0
        self.needs_cleanup = False


class ExcludedOverhead:
    """The guard's own work inside a step: not the user's time, and not monitored."""

    __slots__ = ("_cpu", "_dispatcher", "_started", "_state", "_was_paused")

    def __init__(self, dispatcher: ThreadStateStore) -> None:
        self._dispatcher = dispatcher

    def __enter__(self) -> None:
        state = self._state = self._dispatcher.thread_state()
        self._was_paused, state.paused = state.paused, True
        self._started = self._cpu = 0.0
        if state.start:  # outside of a step its time does not matter
            self._started, self._cpu = thread_stats.perf_counter(), thread_stats.thread_time()

    def __exit__(self, *exc: object) -> None:
        state = self._state
        if self._started:
            state.accounted += thread_stats.perf_counter() - self._started
            state.overhead_cpu += thread_stats.thread_time() - self._cpu
            state.needs_cleanup = True
        state.paused = self._was_paused

    def __repr__(self) -> str:
        return f"<ExcludedOverhead of {self._dispatcher!r}>"
