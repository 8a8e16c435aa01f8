"""Passes the events of the detectors to the active guards, and keeps the state of each thread.

Process-wide by nature, like `sys.monitoring` and audit hooks: there is one
`DISPATCHER`, it is idle (no hooks, no cost) while no guard is active. It passes each
call to the guards that started on the same thread, or to all of them
when none did (a portal thread that a test started).
"""

from __future__ import annotations

import sys
import threading

# Not from _asyncio: imported before asyncio, it leaves asyncio with two kinds of tasks.
from asyncio import _get_running_loop
from typing import TYPE_CHECKING, Any, Protocol

from .._core.current_loop import in_trio
from .._core.frames import identity
from . import thread_stats
from .call_arguments import can_be_polled, format_argument, judge
from .call_stack import CallStack, read_call_stack
from .catalog import Catalog, Entry
from .cpu_time import CPU_JUDGES, counted_cpu_time
from .models import BlockingCallError
from .nonblocking_calls import can_be_nonblocking, is_nonblocking
from .thread_state import ExcludedOverhead, OpenCall, RecordedCall, ThreadState

if TYPE_CHECKING:
    from types import FrameType

    from .._core.frames import UserCode

# Seconds; shorter waits are not reported.
MIN_WAIT = 0.001
# Per test: more reports of a loop over the lines of a file add nothing.
MAX_REPORTS_PER_SITE = 200


def in_event_loop() -> bool:
    """Does the calling thread run an event loop right now? Called at each event."""
    return _get_running_loop() is not None or in_trio()


class Listener(Protocol):
    """What the dispatcher needs of a guard."""

    thread: int
    user_code: UserCode
    exclusive: bool  # guards that started on this thread before it receive nothing meanwhile
    more_tests_follow: (
        bool  # another one starts soon: the call monitor may stay on when this one stops
    )
    test_file: str
    patches_functions: bool  # the test replaces what the user's functions call
    needs_all_calls: bool  # those of a step that come to less than a millisecond, too

    def _ignores_call(self, entry: Entry, frame: FrameType) -> bool:
        """Is a call in this frame certainly irrelevant? Checked before the stack is read."""
        ...

    def _record_call(
        self, entry: Entry, args: str, stack: CallStack, evidence: str
    ) -> RecordedCall | None:
        """Record a call, unless it is harmless or allowed; may raise in mode "raise"."""

    def _record_stall(self, stall: Any) -> None:
        """Judge a step that was too long."""


# An argument that a profile function does not get.
UNKNOWN: Any = object()


# An audit event follows at once, and knows the argument.
_AUDITED = frozenset({"open", "os.open", "io.open_code", "io.FileIO", "socket.getaddrinfo"})


class Dispatcher:
    """The active guards, and the state of the threads that they monitor."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        self.listeners: tuple[Listener, ...] = ()
        self.thread_states: dict[int, ThreadState] = {}
        self.local = threading.local()
        self.threshold = 0.05  # seconds: the step timer's
        self.probing_thread = 0  # the thread whose next catalogued call is the self-test
        self.probed: set[str] = set()
        self.internal_error = ""  # an exception of the guard itself, which must not break the app
        self.watchdog_time = 0.0  # seconds that the watchdog ran, perhaps waiting for a processor
        self.watchdog_woke_at = 0.0  # when it woke up, 0.0 while it sleeps
        self.busy_threads: set[int] = set()  # those with an open call of the catalog
        self._reset_on = 0  # the native id of the thread that called `reset()` last

    def is_reset(self) -> bool:
        """Is nothing known of any thread, but for the state of the calling one?"""
        # A forked process has another thread.
        return len(self.thread_states) <= 1 and self._reset_on == threading.get_native_id()

    def reset(self) -> None:
        """Forget all threads but the calling one: no guard was active until now."""
        mine = self.local.__dict__.get("thread_state")
        self.local = threading.local()
        self.thread_states = {}
        self.busy_threads.clear()
        self._reset_on = threading.get_native_id()
        if mine is not None and mine.native_id == self._reset_on:  # else it was forked
            mine.reset()
            self.thread_states[mine.ident] = self.local.thread_state = mine

    def thread_state(self) -> ThreadState:
        """The state of the calling thread."""
        try:
            return self.local.thread_state  # type: ignore[no-any-return]
        except AttributeError:
            state = self.local.thread_state = ThreadState(self)
            self.thread_states[state.ident] = state
            # Reading the statistics opens files, which raises audit events.
            state.read_stats()
            state.base_stats = state.last_stats
            state.stats_valid_until = 0.0  # so that statistics are read in its first step
            return state

    def active_listeners(self) -> tuple[Listener, ...]:
        """The guards that the calling thread's calls are for."""
        here = threading.get_ident()
        mine = tuple(item for item in self.listeners if item.thread == here)
        for index in range(len(mine) - 1, 0, -1):
            if mine[index].exclusive:
                return mine[index:]
        return mine or self.listeners

    def exclude_overhead(self) -> ExcludedOverhead:
        """A context manager for the guard's own work inside a step."""
        return ExcludedOverhead(self)

    def is_probe(self, evidence: str) -> bool:
        """Is this catalogued call the self-test of the calling thread?"""
        if self.probing_thread != threading.get_ident():
            return False
        self.probed.add(evidence)
        return True

    def call_started(
        self, entry: Entry, callee: object, arg0: Any, frame: FrameType, evidence: str
    ) -> bool:
        """A catalogued C call begins in `frame`; returns whether it is a new one that may block."""
        state = self.thread_state()
        checked = None if state.paused else judge(entry, arg0)
        if checked is None:
            return False
        if can_be_nonblocking(checked.name):
            with self.exclude_overhead():
                if is_nonblocking(checked.name, frame):
                    return False
        call = OpenCall(checked, identity(callee), frame)
        is_new = True
        if checked.judge == "wait":
            call.line = frame.f_lineno
            call.switches = thread_stats.voluntary_switches()
            sure = can_be_polled(arg0) or not thread_stats.GIL
            call.other_time = None if sure else self.other_threads_time()
        elif checked.judge in CPU_JUDGES:
            call.line, call.cpu_time = frame.f_lineno, thread_stats.thread_time()
        elif checked.category == "file_metadata" and self._can_skip_metadata(state):
            call.skipped, is_new = (arg0,), False
        elif not (arg0 is UNKNOWN and checked.name in _AUDITED):
            known = state.repeated_calls.find(checked, frame)
            call.records = known or self.report(checked, format_argument(arg0), frame, evidence)
            is_new = not known
        state.open_calls.append(call)
        state.needs_cleanup = state.runs_loop = True
        self.busy_threads.add(state.ident)
        call.start = thread_stats.perf_counter()
        return is_new

    def _can_skip_metadata(self, state: ThreadState) -> bool:
        """Need such a call not be reported yet? It takes microseconds, to report it many more.

        A guard that accepts them up to a threshold gets those from the moment on at which all of
        the step have come to a millisecond.
        """
        return state.metadata_time < MIN_WAIT and not any(
            item.needs_all_calls for item in self.listeners
        )

    def call_ended(self, callee: object, frame: FrameType, evidence: str) -> None:
        """A C call returned or raised in `frame`."""
        now = thread_stats.perf_counter()
        state = self.thread_state()
        for index in range(len(state.open_calls) - 1, -1, -1):
            call = state.open_calls[index]
            if call.callee == identity(callee) and call.frame == identity(frame):
                del state.open_calls[index:]
                if not state.open_calls:
                    self.busy_threads.discard(state.ident)
                break
        else:
            return
        duration = now - call.start
        cost = 0.0
        if call.entry.judge in CPU_JUDGES:
            cost = counted_cpu_time(call.entry, frame, thread_stats.thread_time() - call.cpu_time)
            if not cost:
                return
        if not state.open_calls:
            state.accounted += duration
        if call.entry.judge == "wait" and not self._waited(call, duration):
            return
        if call.skipped:
            state.metadata_time += duration
            if state.metadata_time < MIN_WAIT:
                return
            call.records = self.report(
                call.entry, format_argument(call.skipped[0]), frame, evidence
            )
        elif cost or call.entry.judge == "wait":
            call.records = self.report(call.entry, "", frame, evidence, call.line)
        held = cost or self._held(call.entry, duration, state)
        nested = any(outer.records for outer in state.open_calls)
        for item in call.records:
            item.add_time(duration, held, nested=nested)

    def _waited(self, call: OpenCall, duration: float) -> bool:
        """Did a call that may have waited do so, and not only for the GIL?"""
        if duration < MIN_WAIT or thread_stats.voluntary_switches() == call.switches != -1:
            return False
        others = call.other_time
        return others is None or self.other_threads_time() - others <= duration / 2

    def other_threads_time(self) -> float:
        """Seconds in which other threads of this process may have had the GIL, so far."""
        computed = thread_stats.process_time() - thread_stats.thread_time()
        ended = computed + self.watchdog_time
        woke_at = self.watchdog_woke_at
        return ended + (thread_stats.perf_counter() - woke_at if woke_at else 0.0)

    def _held(self, entry: Entry, duration: float, state: ThreadState) -> float:
        """How long the call itself held the loop: a wait is asleep all the while."""
        if duration < 0.01 or entry.judge == "wait":
            return duration
        return duration - self.scheduling_delay(state)

    def scheduling_delay(self, state: ThreadState) -> float:
        """Seconds that this thread recently waited for a processor or the GIL: an upper bound."""
        last, now = state.last_stats, state.stats_reader.read()
        if last is None or now is None:
            return 0.0
        waits = max(0, now.switches - last.switches - 1)
        return now.delay - last.delay + waits * sys.getswitchinterval() * thread_stats.GIL

    def on_audit_event(self, entry: Entry, args: tuple[Any, ...], frame: FrameType) -> None:
        """An audit event: add arguments to the open call, or report a call of its own."""
        state = self.thread_state()
        if state.paused:
            return
        shown = format_argument(args[0]) if args else ""
        if state.open_calls:
            top = state.open_calls[-1]
            if top.skipped and entry.category == "file_metadata":
                top.skipped = args[:1] or top.skipped
                return
            if top.entry.category == entry.category and (
                top.records or top.entry.judge not in ("path", "resolves")
            ):
                for item in top.records:
                    item.add_arguments(", ".join(filter(None, map(format_argument, args[:2]))))
                return
        checked = judge(entry, args[0] if args else None)
        if checked is not None and checked.judge != "wait":  # it is not known whether it waited
            seen = self.report(checked, shown, frame, "audit event")
            if state.open_calls and not state.open_calls[-1].records:
                state.open_calls[-1].records = seen

    def on_named_call(self, entry: Entry, frame: FrameType, evidence: str) -> None:
        """A Python function that is always reported is called in `frame`."""
        state = self.thread_state()
        if not state.paused:
            self.report(entry, "", frame, evidence)

    def report(
        self, entry: Entry, args: str, frame: FrameType, evidence: str, line: int = 0
    ) -> list[RecordedCall]:
        """Report a call to the guards; in mode "raise" their error is passed on.

        The call began at `line` of the frame, where that is not its current line any more.
        """
        # The cost of reporting is not the user's: a loop over many lines makes many reports.
        with self.exclude_overhead():
            try:
                listeners = [
                    item for item in self.active_listeners() if not item._ignores_call(entry, frame)
                ]
                if not listeners:
                    return []
                stack = read_call_stack(frame, line)
                results = [item._record_call(entry, args, stack, evidence) for item in listeners]
                seen = [item for item in results if item is not None]
                if len(seen) == len(results) == 1 and (user := seen[0].user_frame_id) and not line:
                    self.thread_state().repeated_calls.remember(entry, frame, user, seen)
                return seen
            except BlockingCallError:
                raise  # at the call; this also removes a profile function
            except Exception as error:
                self.internal_error = f"the guard itself failed: {error!r}"
                return []


DISPATCHER = Dispatcher()
