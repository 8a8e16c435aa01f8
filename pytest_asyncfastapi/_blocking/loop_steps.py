"""Where a loop takes a step: the frames at which a stack is cut, and the loop's own wait."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, FrameType

_PACKAGE = str(Path(__file__).parent.parent) + os.sep
# Frames that stand inside the user's calls because of what is wrapped.
WRAPPERS = (str(Path(__file__).parent) + os.sep, os.path.join(_PACKAGE, "_concurrency") + os.sep)
_STEP_WATCH = str(Path(__file__).parent / "step_watch.py")  # it takes asyncio's steps itself
_CLOCK = os.path.join(_PACKAGE, "_clock") + os.sep
_BORDERS = {
    "_run": ("asyncio", "events.py"),
    "_run_once": ("asyncio", "base_events.py"),
    "run_forever": ("asyncio", "base_events.py"),
    "run_until_complete": ("asyncio", "base_events.py"),
    "run": ("asyncio", "runners.py"),
    "unrolled_run": ("trio", "_run.py"),
}
RUNS = frozenset(
    {"asyncio.base_events:BaseEventLoop.run_until_complete", "asyncio.runners:run",
     "asyncio.base_events:BaseEventLoop.run_forever", "asyncio.runners:Runner.run",
     "trio._core._run:unrolled_run"}
)  # fmt: skip
_TRIO_WAITS = tuple(os.path.join("trio", "_core", f"_io_{how}.py") for how in ("epoll", "kqueue"))


def is_border(frame: FrameType | None) -> bool:
    """Is this the frame in which the event loop takes a step?"""
    if frame is None:
        return False
    code = frame.f_code
    known = _BORDERS.get(code.co_name)
    if known is None:
        return False
    return _is_file(code.co_filename, *known) or code.co_filename == _STEP_WATCH


def is_loops_wait(frame: FrameType) -> bool:
    """Is it the loop itself that polls here, for what comes next?"""
    filename, back = frame.f_code.co_filename, frame.f_back
    if back is None:
        return False
    if filename.endswith("selectors.py"):
        return asks_for_loop(back.f_code)
    return filename.endswith(_TRIO_WAITS)


def asks_for_loop(code: CodeType) -> bool:
    """Does this function ask a selector what comes next: asyncio's loop, or our clock for it?"""
    return code.co_filename.endswith("base_events.py") or code.co_filename.startswith(_CLOCK)


@lru_cache(maxsize=256)
def _is_file(filename: str, package: str, name: str) -> bool:
    directory, last = os.path.split(filename)
    return last == name and package in directory.split(os.sep)[-2:]


def outside(frame: FrameType) -> FrameType | None:
    """The frame that runs this border's loop, if that happens inside a step of another loop."""
    last, outer = frame, frame.f_back
    while not _is_step(last) and outer is not None:
        if is_border(outer):
            last = outer
        elif not outer.f_code.co_filename.startswith(WRAPPERS):
            break
        outer = outer.f_back
    if _is_step(last):
        return None  # each step is a stack of its own
    while outer is not None and not _is_step(outer):
        outer = outer.f_back
    return None if outer is None else last


def _is_step(frame: FrameType) -> bool:
    return frame.f_code.co_name in ("_run", "unrolled_run") and is_border(frame)
