"""The call tap's second tool on Python 3.12+, for the functions that it observes individually.

A tool's events can be enabled again for one function only if they are local to it. So
what a test has patched, or the test before it, is observed, at the cost of the user's own code.

Beside the user's functions that is `Condition.wait`, in which threads without a loop spend their
lives: its calls are switched off there, until it begins on a thread that runs a loop.
"""

from __future__ import annotations

import sys
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .dispatcher import on_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType


WAIT = Condition.wait.__code__
_THREAD_START = Thread.start.__code__
# In so many tests a function is listened to anew; if it has called nothing that blocks by then,
# it is listened to again when every call site is.
_TESTS = 8
# So often a function may begin without a loop before it is listened to there, too: from then on
# that costs less than an event for each of its starts.
_STARTS = 8


class OwnCode:
    """The user's functions that are listened to; none without a `tool`.

    `codes` are these, `deaf` those with a call site that was disabled since, `changing` those
    that called something that blocks, or call what a variable holds; all
    by id, as a code object's own hash reads all of its bytes.
    """

    def __init__(self) -> None:
        self.tool: int | None = None
        self.codes: dict[int, CodeType] = {}
        self.deaf: dict[int, CodeType] = {}
        self.changing: set[int] = set()
        self._tests: dict[int, int] = {}  # by function: in how many it was listened to anew
        self._starts: dict[int, tuple[CodeType, int]] = {}  # without a loop, so far
        self._waits_off = False  # the calls of `Condition.wait` are switched off
        self._loop_waits = False  # it has begun on a loop in this test, and stays on

    def start(
        self,
        tool: int,
        name: str,
        on_call: Callable[[CodeType, int, Any, Any], object],
        on_leave: Callable[[CodeType, int, Any, Any], object],
    ) -> None:
        """Take this tool id."""
        monitoring = _monitoring()
        events = monitoring.events
        monitoring.use_tool_id(tool, name)
        monitoring.register_callback(tool, events.CALL, on_call)
        monitoring.register_callback(tool, events.C_RETURN, on_leave)
        monitoring.register_callback(tool, events.C_RAISE, on_leave)
        monitoring.register_callback(tool, events.PY_START, self._on_wait)
        self.tool = tool
        self.listen_to(WAIT)

    def listen_to(self, code: CodeType) -> None:
        """Listen to the calls of this function."""
        if self.tool is not None and identity(code) not in self.codes:
            self.codes[identity(code)] = code
            self._set(code, _calls(code))

    def waits_for_loop(self, code: CodeType) -> bool:
        """Is it to be listened to only when it begins on a loop? It begins now, and on none.

        Most tests that run no loop themselves begin a few times.
        """
        if self.tool is None or on_loop():
            return False
        _, times = self._starts.get(identity(code), (code, 0))
        self._starts[identity(code)] = (code, times + 1)
        return times + 1 < _STARTS

    def hear_again(self, *, every: bool) -> None:
        """Switch on again what was switched off: of `every` function, or where it may matter."""
        self._loop_waits = False
        if self.deaf:
            deaf, self.deaf = self.deaf, {}
            for number, code in list(deaf.items()):  # other threads go on meanwhile
                tests = self._tests[number] = self._tests.get(number, 0) + 1
                if tests <= _TESTS or number in self.changing or every:
                    self._again(code)

    def off_loop(self, code: CodeType) -> object:
        """The answer to the event of a lock on a thread that runs no loop."""
        if code is not WAIT or self._loop_waits:
            return None
        self._waits_off = True
        return _monitoring().DISABLE

    def _on_wait(self, code: CodeType, offset: int) -> None:
        if on_loop() and not _starts_thread(sys._getframe(1)):
            self._loop_waits = True  # first, so that no other thread switches it off again
            if self._waits_off:
                self._waits_off = False
                self._again(code)

    def _again(self, code: CodeType) -> None:
        self._set(code, 0)
        self._set(code, _calls(code))

    def stop(self) -> None:
        """Give the tool id back."""
        tool = self.tool
        if tool is None:
            return
        monitoring = _monitoring()
        for code in list(self.codes.values()):
            self._set(code, 0)
        self.codes.clear()
        self.deaf.clear()
        self.changing.clear()
        self._tests.clear()
        self._starts.clear()
        self.tool = None
        events = monitoring.events
        for event in (events.CALL, events.C_RETURN, events.C_RAISE, events.PY_START):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def _set(self, code: CodeType, events: int) -> None:
        _monitoring().set_local_events(self.tool, code, events)

    def __repr__(self) -> str:
        return f"<OwnCode: tool {self.tool}, {len(self.codes)} functions>"


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
    return calls | int(events.PY_START) if code is WAIT else calls


def _monitoring() -> Any:
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]
