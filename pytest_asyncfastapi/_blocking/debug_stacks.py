"""The stacks that asyncio keeps of each callback in debug mode, for less than half of their cost.

Debug mode summarises ten frames for each callback, as long as it takes to run it. To read the code
of a frame is an audit event besides, which costs something as soon as there is an audit hook, such
as the guard's. Here a line is summarised once and not each time, so that debug mode is not slower
with the guard than without it.
"""

from __future__ import annotations

import linecache
import sys
from asyncio import constants, format_helpers
from traceback import FrameSummary, StackSummary
from typing import TYPE_CHECKING, Any

from .._core.frames import identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

_MAX_LINES = 20_000  # of 200 bytes each
# Process-wide, like code objects; each is kept with its summary, as its identity is in the key.
_SUMMARIES: dict[tuple[int, int | None], tuple[CodeType, FrameSummary]] = {}


def summarise_lines_once() -> Callable[[], None]:
    """From now on, make the stacks of asyncio's debug mode of known lines; returns the undo."""
    module: Any = format_helpers
    original = module.extract_stack

    def extract_stack(f: FrameType | None = None, limit: int | None = None) -> StackSummary:
        if limit is not None:
            found: StackSummary = original(f or sys._getframe(1), limit)
            return found
        stack = StackSummary()
        frame = f or sys._getframe(1)
        for _ in range(constants.DEBUG_STACK_DEPTH):
            code, line = frame.f_code, frame.f_lineno
            known = _SUMMARIES.get((identity(code), line))
            stack.append(_summarise(frame, code, line) if known is None else known[1])
            if frame.f_back is None:
                break
            frame = frame.f_back
        stack.reverse()
        return stack

    def undo() -> None:
        if module.extract_stack is extract_stack:
            module.extract_stack = original

    module.extract_stack = extract_stack
    return undo


def _summarise(frame: FrameType, code: CodeType, line: int | None) -> FrameSummary:
    """As `StackSummary.extract()` does: the text of the line is looked up when it is shown."""
    if len(_SUMMARIES) >= _MAX_LINES:
        _SUMMARIES.clear()
    linecache.lazycache(code.co_filename, frame.f_globals)
    linecache.checkcache(code.co_filename)
    summary = FrameSummary(code.co_filename, line, code.co_name, lookup_line=False)
    _SUMMARIES[identity(code), line] = (code, summary)
    return summary
