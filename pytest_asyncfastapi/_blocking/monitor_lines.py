"""What the call monitor observes by lines, on Python 3.12+: `with lock:` and `for line in file:`.

They make no call event. In the user's functions that have such lines, and only there, line
events say when one of them begins; the lock or the file is looked up by its name. From Python
3.14 on a `with` makes a call event; that of a `Condition` is a call of Python, whose return is
monitored for as long as a thread waits in it.
"""

from __future__ import annotations

import sys
from threading import Condition
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .call_arguments import LOCK_TYPES
from .dispatcher import MAX_REPORTS_PER_SITE, Dispatcher, in_event_loop
from .operands import BlockLines, find_block_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from .catalog import Entry

_EVIDENCE = "call monitor (line)"
ENTER_CONDITION = Condition.__enter__
# A line that iterates over one of these is disabled: it will not iterate over a file.
_NEVER_A_FILE = frozenset(
    {list, tuple, dict, set, frozenset, range, str, bytes, enumerate, zip, map, GeneratorType,
     type({}.keys()), type({}.values()), type({}.items())}
)  # fmt: skip
_MAX_FUNCTIONS = 20_000
_MAX_HARMLESS_EVENTS = 8  # in the whole run
# In so many tests the disabled lines of a function are enabled again.
_MAX_RESTARTS = 4


class LineMonitor:
    """Receives the line events of functions that have a `with` or a `for` of a name."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._known: dict[int, tuple[CodeType, BlockLines | None]] = {}
        self._reports: dict[tuple[int, int], int] = {}
        self._harmless_events: dict[tuple[int, int], int] = {}  # by line: those without a report
        self._active: dict[int, CodeType] = {}
        self._entered: int | None = None  # the tool that monitors `Condition.__enter__`
        self._disabled: dict[int, CodeType] = {}  # those with a disabled line
        self._restarts: dict[int, int] = {}  # by function: in how many tests
        self._stay_disabled: dict[int, CodeType] = {}  # those that are not restarted any more
        self._enters_locks: set[int] = set()  # functions with a line that enters a lock

    def monitor_function(self, code: CodeType, tool: int) -> None:
        """Enable line events for this function, if any are needed."""
        if identity(code) in self._active:
            return
        known = self._known.get(identity(code))
        if known is None:
            if len(self._known) >= _MAX_FUNCTIONS:
                return
            with self._dispatcher.exclude_overhead():
                known = self._known[identity(code)] = (code, find_block_lines(code))
        if known[1] is not None:
            self._active[identity(code)] = code
            monitoring = _monitoring()
            monitoring.set_local_events(tool, code, monitoring.events.LINE)

    def forget(self) -> None:
        """Called between tests: nothing has been reported yet."""
        self._reports.clear()

    def restart(self, tool: int, *, every: bool) -> None:
        """Enable the disabled lines again: of `every` function, or where it may matter."""
        if self._disabled:
            disabled, self._disabled = self._disabled, {}
            for number, code in list(disabled.items()):  # other threads go on meanwhile
                tests = self._restarts[number] = self._restarts.get(number, 0) + 1
                if tests <= _MAX_RESTARTS or every:
                    _restart_function(code, tool)
                else:
                    self._stay_disabled[number] = code

    def stop(self, tool: int) -> None:
        """Stop monitoring all of them."""
        for code in (*self._active.values(), ENTER_CONDITION.__code__):
            _monitoring().set_local_events(tool, code, 0)
        self._active.clear()
        self._entered = None
        self._disabled.clear()
        self._harmless_events.clear()
        self._restarts.clear()
        self._stay_disabled.clear()
        self._enters_locks.clear()

    def callback(self, iterates: Entry, tool: int) -> Callable[[CodeType, int], object]:
        """The function for the line events of this tool."""
        dispatcher, known = self._dispatcher, self._known
        reports, harmless_events = self._reports, self._harmless_events
        enters_locks = self._enters_locks
        disable, getframe = _monitoring().DISABLE, sys._getframe

        def on_line(code: CodeType, line: int) -> object:
            _, lines = known.get(identity(code), (None, None))
            if lines is None:
                return disable
            if dispatcher.busy_threads:
                dispatcher.call_ended(LineMonitor, getframe(1), _EVIDENCE)
            begins = lines.begins.get(line)
            if begins is None and line not in lines.after:
                return disable
            if not (dispatcher.listeners and in_event_loop()):
                return None
            # After a line that enters a lock, an event ends that call.
            frame = getframe(1)
            live = line in lines.after and identity(code) in enters_locks
            entry: Entry | None
            for what, operand, entered in begins or ():
                if frame.f_lasti > entered:
                    continue  # the line of a `with` again: its block is left
                value = operand.value(frame)
                if what == "for":
                    entry, live = iterates, live or type(value) not in _NEVER_A_FILE
                else:
                    entry, value = self._lock(value)
                    live = live or (entry is not None and self._note_lock(code, tool))
                if entry is None or not dispatcher.call_started(
                    entry, LineMonitor, value, frame, _EVIDENCE
                ):
                    continue
                reports[identity(code), line] = times = reports.get((identity(code), line), 0) + 1
                if what == "for":
                    dispatcher.call_ended(LineMonitor, frame, _EVIDENCE)
                    live = times < MAX_REPORTS_PER_SITE
            return None if live else disable_if_frequent(code, line)

        def disable_if_frequent(code: CodeType, line: int) -> object:
            # A line can only be enabled again together with all others of its function.
            site = (identity(code), line)
            harmless_events[site] = times = harmless_events.get(site, 0) + 1
            if times < _MAX_HARMLESS_EVENTS:
                return None
            self._disabled[site[0]] = code
            return disable

        return on_line

    def on_enter_condition(
        self, callee: Any, condition: Any, frame: FrameType, tool: int | None
    ) -> None:
        """The user's code enters a condition, whose lock may be held."""
        entry, lock = self._lock(condition) if type(condition) is Condition else (None, None)
        if tool is None or entry is None or not (self._dispatcher.listeners and in_event_loop()):
            return
        if self._dispatcher.call_started(entry, callee, lock, frame, _EVIDENCE):
            monitoring = _monitoring()
            monitoring.set_local_events(tool, callee.__code__, monitoring.events.PY_RETURN)
            self._entered = tool

    def on_return(self, code: CodeType, offset: int, value: Any) -> object:
        """`Condition.__enter__` returns to its caller."""
        frame = sys._getframe(1).f_back
        if self._dispatcher.busy_threads and frame is not None:
            self._dispatcher.call_ended(ENTER_CONDITION, frame, _EVIDENCE)
        if not self._dispatcher.busy_threads and self._entered is not None:
            _monitoring().set_local_events(self._entered, code, 0)
            self._entered = None
        return None

    def _note_lock(self, code: CodeType, tool: int) -> bool:
        """A line of this function enters a lock: the line after it has to be enabled, too."""
        if identity(code) not in self._enters_locks:
            self._enters_locks.add(identity(code))
            for disabled in (self._disabled, self._stay_disabled):
                if disabled.pop(identity(code), None) is not None:
                    _restart_function(code, tool)
        return True

    def _lock(self, value: Any) -> tuple[Entry | None, Any]:
        """The entry for the lock that `with value:` takes, and that lock; no entry for others.

        Those have an `__enter__` in Python, whose calls are observed.
        """
        lock = vars(value).get("_lock") if type(value) is Condition else value
        if type(lock) not in LOCK_TYPES:
            return None, lock
        return self._dispatcher.catalog.find(getattr(type(lock), "__enter__", None)), lock

    def __repr__(self) -> str:
        return f"<LineMonitor: {len(self._active)} functions>"


def _restart_function(code: CodeType, tool: int) -> None:
    monitoring = _monitoring()
    monitoring.set_local_events(tool, code, 0)
    monitoring.set_local_events(tool, code, monitoring.events.LINE)


def _monitoring() -> Any:
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]
