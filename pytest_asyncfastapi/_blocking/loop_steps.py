"""Recognises the frames in which an event loop runs a step or polls for events."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, FrameType

PACKAGE = str(Path(__file__).parent.parent) + os.sep
# Files of this plugin that stand between the app and the client library that it calls.
PLUGIN_LAYERS = tuple(os.path.join(PACKAGE, part, "") for part in ("_upstream", "_connections"))
# Frames of this plugin's wrappers, inside the user's calls.
WRAPPERS = (str(Path(__file__).parent) + os.sep, os.path.join(PACKAGE, "_concurrency") + os.sep)
# Those of a tool that puts one around each function that blocks, and says so by an error.
_BLOCKBUSTER = os.path.join("blockbuster", "blockbuster.py")
_STEP_TIMER = str(Path(__file__).parent / "step_timer.py")  # it runs asyncio's steps itself
_CLOCK = os.path.join(PACKAGE, "_clock") + os.sep
_LOOP_FRAMES = {
    "_run": ("asyncio", "events.py"),
    "_run_once": ("asyncio", "base_events.py"),
    "run_forever": ("asyncio", "base_events.py"),
    "run_until_complete": ("asyncio", "base_events.py"),
    "run": ("asyncio", "runners.py"),
    "unrolled_run": ("trio", "_run.py"),
}
LOOP_FUNCTIONS = frozenset(_LOOP_FRAMES)
STEP_FUNCTIONS = ("_run", "unrolled_run")  # those of them with one frame for each step
LOOP_RUNNERS = frozenset(
    {"asyncio.base_events:BaseEventLoop.run_until_complete", "asyncio.runners:run",
     "asyncio.base_events:BaseEventLoop.run_forever", "asyncio.runners:Runner.run",
     "trio._core._run:unrolled_run"}
)  # fmt: skip
_TRIO_WAITS = tuple(os.path.join("trio", "_core", f"_io_{how}.py") for how in ("epoll", "kqueue"))


@lru_cache(maxsize=8192)
def is_wrapper(filename: str) -> bool:
    """Is this a file whose functions only stand around the call that they make?"""
    return filename.startswith(WRAPPERS) or filename.endswith(_BLOCKBUSTER)


def is_loop_frame(frame: FrameType | None) -> bool:
    """Is this a frame of the event loop, in which it runs steps?"""
    return frame is not None and runs_steps(frame.f_code)


def runs_steps(code: CodeType) -> bool:
    """Is this a function of the event loop that runs steps?"""
    known = _LOOP_FRAMES.get(code.co_name)
    if known is None:
        return False
    return _is_file(code.co_filename, *known) or code.co_filename == _STEP_TIMER


def is_loop_poll(frame: FrameType) -> bool:
    """Is this the loop itself, which polls for its next event?"""
    filename, back = frame.f_code.co_filename, frame.f_back
    if back is None:
        return False
    if filename.endswith("selectors.py"):
        return is_loop_code(back.f_code)
    return filename.endswith(_TRIO_WAITS)


def is_loop_code(code: CodeType) -> bool:
    """Is this code of asyncio's loop, or of the virtual clock, which polls for it?"""
    return code.co_filename.endswith("base_events.py") or code.co_filename.startswith(_CLOCK)


@lru_cache(maxsize=256)
def _is_file(filename: str, package: str, name: str) -> bool:
    directory, last = os.path.split(filename)
    return last == name and package in directory.split(os.sep)[-2:]


def nested_loop_frame(frame: FrameType) -> FrameType | None:
    """The outermost frame of a loop that runs inside a step of another loop, or None."""
    last, outer = frame, frame.f_back
    while not _is_step(last) and outer is not None:
        if is_loop_frame(outer):
            last = outer
        elif not is_wrapper(outer.f_code.co_filename):
            break
        outer = outer.f_back
    if _is_step(last):
        return None  # each step is a stack of its own
    while outer is not None and not _is_step(outer):
        outer = outer.f_back
    return None if outer is None else last


def _is_step(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_name in STEP_FUNCTIONS and runs_steps(code)
