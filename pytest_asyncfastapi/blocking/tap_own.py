"""The call tap's ears for the user's own functions, on Python 3.12+: a tool of their own.

A tool's events are switched on again for one function only where the tool hears it alone. So
what a test has patched, or the test before it, is heard, and it costs what the user's code costs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..frames import identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType


class OwnCode:
    """The user's functions that are listened to; none without a `tool`.

    `codes` are these, `deaf` those of them with a call site that was switched off since; both
    by id, as a code object's own hash reads all of its bytes.
    """

    def __init__(self) -> None:
        self.tool: int | None = None
        self.codes: dict[int, CodeType] = {}
        self.deaf: dict[int, CodeType] = {}

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
        self.tool = tool

    def listen_to(self, code: CodeType) -> None:
        """Listen to the calls of this function."""
        if self.tool is not None and identity(code) not in self.codes:
            self.codes[identity(code)] = code
            self._set(code, _calls())

    def hear_again(self) -> None:
        """Switch on again what was switched off."""
        if self.deaf:
            calls = _calls()
            deaf, self.deaf = self.deaf, {}
            for code in list(deaf.values()):  # other threads go on meanwhile
                self._set(code, 0)
                self._set(code, calls)

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
        self.tool = None
        events = monitoring.events
        for event in (events.CALL, events.C_RETURN, events.C_RAISE):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def _set(self, code: CodeType, events: int) -> None:
        _monitoring().set_local_events(self.tool, code, events)

    def __repr__(self) -> str:
        return f"<OwnCode: tool {self.tool}, {len(self.codes)} functions>"


def _calls() -> int:
    events = _monitoring().events
    return int(events.CALL | events.C_RETURN | events.C_RAISE)


def _monitoring() -> Any:
    return sys.monitoring  # type: ignore[attr-defined,unused-ignore]
