"""What the call tap observes by lines, on Python 3.12+: `with lock:` and `for line in file:`.

They make no call event. In the user's functions that have such lines, and only there, line
events say when one of them begins; the lock or the file is looked up by its name. From Python
3.14 on a `with` makes a call event; that of a `Condition` is a call of Python, whose return is
listened to for as long as somebody waits in it.
"""

from __future__ import annotations

import sys
from threading import Condition
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .call_arguments import LOCK_TYPES
from .dispatcher import MOST_TELLINGS, Hub, on_loop
from .operands import Lines, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from .catalog import Entry

_WITNESS = "call tap (line)"
ENTER_CONDITION = Condition.__enter__
# What cannot be a file, whatever comes this way next: the line is switched off.
_PLAIN = frozenset(
    {list, tuple, dict, set, frozenset, range, str, bytes, enumerate, zip, map, GeneratorType,
     type({}.keys()), type({}.values()), type({}.items())}
)  # fmt: skip
_MOST_CODES = 20_000
_OFTEN = 8


class LineTap:
    """Listens to the lines of functions that have a `with` or a `for` of a name."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: dict[int, tuple[CodeType, Lines | None]] = {}
        self._told: dict[tuple[int, int], int] = {}
        self._often: dict[tuple[int, int], int] = {}  # events of a line that reported nothing
        self._active: dict[int, CodeType] = {}
        self._entered: int | None = None  # the tool that listens to `Condition.__enter__`
        self._deaf: dict[int, CodeType] = {}  # of these, with a line that was switched off

    def look_into(self, code: CodeType, tool: int) -> None:
        """Enable line events for this function, if any are needed."""
        if identity(code) in self._active:
            return
        known = self._known.get(identity(code))
        if known is None:
            if len(self._known) >= _MOST_CODES:
                return
            with self._hub.aside():
                known = self._known[identity(code)] = (code, lines_of(code))
        if known[1] is not None:
            self._active[identity(code)] = code
            monitoring = _monitoring()
            monitoring.set_local_events(tool, code, monitoring.events.LINE)

    def forget(self) -> None:
        """Another test: nothing has been reported yet."""
        self._told.clear()
        self._often.clear()

    def hear_again(self, tool: int) -> None:
        """Switch on again what was switched off."""
        if self._deaf:
            monitoring = _monitoring()
            deaf, self._deaf = self._deaf, {}
            for code in list(deaf.values()):  # other threads go on meanwhile
                monitoring.set_local_events(tool, code, 0)
                monitoring.set_local_events(tool, code, monitoring.events.LINE)

    def stop(self, tool: int) -> None:
        """Stop listening to all of them."""
        for code in (*self._active.values(), ENTER_CONDITION.__code__):
            _monitoring().set_local_events(tool, code, 0)
        self._active.clear()
        self._entered = None
        self._deaf.clear()

    def callback(self, iterates: Entry) -> Callable[[CodeType, int], object]:
        """The function for line events."""
        hub, known, told, often = self._hub, self._known, self._told, self._often
        disable, getframe = _monitoring().DISABLE, sys._getframe

        def on_line(code: CodeType, line: int) -> object:
            _, lines = known.get(identity(code), (None, None))
            if lines is None:
                return disable
            if hub.open:
                hub.leave(LineTap, getframe(1), _WITNESS)
            begins = lines.begins.get(line)
            if begins is None:
                return None if line in lines.after else disable
            if not (hub.listeners and on_loop()):
                return None
            frame, live = getframe(1), line in lines.after
            for what, operand, entered in begins:
                if frame.f_lasti > entered:
                    continue  # the line of a `with` again: its block is left
                value = operand.value(frame)
                live = live or what == "with" or type(value) not in _PLAIN
                if what == "with" and type(value) is Condition:
                    value = vars(value).get("_lock")
                entry = self._lock(value) if what == "with" else iterates
                if entry is None or not hub.enter(entry, LineTap, value, frame, _WITNESS):
                    continue
                told[identity(code), line] = times = told.get((identity(code), line), 0) + 1
                if what == "for":
                    hub.leave(LineTap, frame, _WITNESS)
                    live = times < MOST_TELLINGS
            if live:
                return None
            # To switch a line on again, all others of its function are switched on with it.
            often[identity(code), line] = times = often.get((identity(code), line), 0) + 1
            if times < _OFTEN:
                return None
            self._deaf[identity(code)] = code
            return disable

        return on_line

    def enters(self, callee: Any, condition: Any, frame: FrameType, tool: int | None) -> None:
        """A call of the user's that enters a condition, whose lock may be held."""
        lock = vars(condition).get("_lock") if type(condition) is Condition else None
        entry = self._lock(lock)
        if tool is None or entry is None or not (self._hub.listeners and on_loop()):
            return
        if self._hub.enter(entry, callee, lock, frame, _WITNESS):
            monitoring = _monitoring()
            monitoring.set_local_events(tool, callee.__code__, monitoring.events.PY_RETURN)
            self._entered = tool

    def on_return(self, code: CodeType, offset: int, value: Any) -> object:
        """`Condition.__enter__` returns to whoever has called it."""
        frame = sys._getframe(1).f_back
        if self._hub.open and frame is not None:
            self._hub.leave(ENTER_CONDITION, frame, _WITNESS)
        if not self._hub.open and self._entered is not None:
            _monitoring().set_local_events(self._entered, code, 0)
            self._entered = None
        return None

    def _lock(self, value: Any) -> Entry | None:
        if type(value) not in LOCK_TYPES:
            return None  # others have an __enter__ in Python, whose calls are observed
        return self._hub.catalog.find(getattr(type(value), "__enter__", None))

    def __repr__(self) -> str:
        return f"<LineTap: {len(self._active)} functions>"


def _monitoring() -> Any:
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]
