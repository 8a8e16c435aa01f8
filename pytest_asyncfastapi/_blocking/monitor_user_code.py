"""The call monitor's second tool on Python 3.12+, for individual functions.

A tool's events can be enabled again for one function only if they are local to it. So
what a test has patched, or the test before it, is observed, at the cost of the user's own code.

Beside the user's functions that is `Condition.wait`, in which threads without a loop spend their
time: its calls are disabled there, until it begins on a thread that runs a loop.
"""

from __future__ import annotations

import sys
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .dispatcher import in_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType


CONDITION_WAIT = Condition.wait.__code__
_THREAD_START = Thread.start.__code__
# In so many tests the sites of a function are enabled again; if it has called nothing that
# blocks by then, only when every site is.
_MAX_RESTARTS = 4
# So often a function may begin without a loop before it is monitored there, too: from then on
# that costs less than an event for each of its starts.
_MAX_STARTS = 8


class UserCodeMonitor:
    """The user's functions that are monitored; none without a `tool`.

    `codes` are these, `disabled` those with a disabled call site, `always_restart` those that
    called something that blocks, or call what a variable holds; all by id, as a
    code object's own hash reads all of its bytes.
    """

    def __init__(self) -> None:
        self.tool: int | None = None
        self.codes: dict[int, CodeType] = {}
        self.disabled: dict[int, CodeType] = {}
        self.always_restart: set[int] = set()
        self._restarts: dict[int, int] = {}  # by function: in how many tests
        self._starts: dict[int, tuple[CodeType, int]] = {}  # without a loop, so far
        self._wait_disabled = False  # the calls of `Condition.wait` are disabled
        self._waits_on_loop = False  # it has begun on a loop in this test: stay enabled

    def start(
        self,
        tool: int,
        name: str,
        on_call: Callable[[CodeType, int, Any, Any], object],
        on_return: Callable[[CodeType, int, Any, Any], object],
    ) -> None:
        """Register this tool id."""
        monitoring = _monitoring()
        events = monitoring.events
        monitoring.use_tool_id(tool, name)
        monitoring.register_callback(tool, events.CALL, on_call)
        monitoring.register_callback(tool, events.C_RETURN, on_return)
        monitoring.register_callback(tool, events.C_RAISE, on_return)
        monitoring.register_callback(tool, events.PY_START, self._on_wait)
        self.tool = tool
        self.monitor_function(CONDITION_WAIT)

    def monitor_function(self, code: CodeType) -> None:
        """Enable the call events of this function."""
        if self.tool is not None and identity(code) not in self.codes:
            self.codes[identity(code)] = code
            self._set(code, _calls(code))

    def defer_until_loop(self, code: CodeType) -> bool:
        """Wait with this function, which begins now, until it begins on a loop?

        Most tests that run no loop themselves call a function a few times only.
        """
        if self.tool is None or in_event_loop():
            return False
        _, times = self._starts.get(identity(code), (code, 0))
        self._starts[identity(code)] = (code, times + 1)
        return times + 1 < _MAX_STARTS

    def restart(self, *, every: bool) -> None:
        """Enable disabled sites again: of `every` function, or where it may matter."""
        self._waits_on_loop = False
        if self.disabled:
            disabled, self.disabled = self.disabled, {}
            for number, code in list(disabled.items()):  # other threads go on meanwhile
                tests = self._restarts[number] = self._restarts.get(number, 0) + 1
                if tests <= _MAX_RESTARTS or number in self.always_restart or every:
                    self._restart_function(code)

    def on_wait_outside_loop(self, code: CodeType) -> object:
        """What the callback returns for a lock on a thread that runs no loop."""
        if code is not CONDITION_WAIT or self._waits_on_loop:
            return None
        self._wait_disabled = True
        return _monitoring().DISABLE

    def _on_wait(self, code: CodeType, offset: int) -> None:
        if in_event_loop() and not _starts_thread(sys._getframe(1)):
            self._waits_on_loop = True  # first, so that no other thread disables it again
            if self._wait_disabled:
                self._wait_disabled = False
                self._restart_function(code)

    def _restart_function(self, code: CodeType) -> None:
        self._set(code, 0)
        self._set(code, _calls(code))

    def stop(self) -> None:
        """Free the tool id."""
        tool = self.tool
        if tool is None:
            return
        monitoring = _monitoring()
        for code in list(self.codes.values()):
            self._set(code, 0)
        self.codes.clear()
        self.disabled.clear()
        self.always_restart.clear()
        self._restarts.clear()
        self._starts.clear()
        self.tool = None
        events = monitoring.events
        for event in (events.CALL, events.C_RETURN, events.C_RAISE, events.PY_START):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def _set(self, code: CodeType, events: int) -> None:
        _monitoring().set_local_events(self.tool, code, events)

    def __repr__(self) -> str:
        return f"<UserCodeMonitor: tool {self.tool}, {len(self.codes)} functions>"


def _starts_thread(wait: FrameType) -> bool:
    """Does this `Condition.wait` wait until a thread has begun? That is never for long."""
    event = wait.f_back
    start = None if event is None else event.f_back
    if start is None or start.f_globals.get("__name__") != "threading":
        return False
    return start.f_code is _THREAD_START


def _calls(code: CodeType) -> int:
    events = _monitoring().events
    calls = int(events.CALL | events.C_RETURN | events.C_RAISE)
    return calls | int(events.PY_START) if code is CONDITION_WAIT else calls


def _monitoring() -> Any:
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]
