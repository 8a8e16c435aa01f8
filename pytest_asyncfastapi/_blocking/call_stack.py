"""Reads the stack of a call, from the call outwards to where the event loop runs the step.

The same calls are made again and again by way of the same frames, in each request and each test.
What a stack says is worked out the first time and kept, by the code and the instruction of each of
its frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .._core.activity import ACTIVITY
from .._core.frames import identity
from .loop_steps import (
    LOOP_FUNCTIONS,
    PACKAGE,
    PLUGIN_LAYERS,
    STEP_FUNCTIONS,
    is_wrapper,
    nested_loop_frame,
    runs_steps,
)

if TYPE_CHECKING:
    from types import CodeType, FrameType

# Globals of the Python code that Jinja and Mako make of a template: the lines of it are in no file.
_TEMPLATES = ("__jinja_template__", "_template_uri")
_MAX_STACKS = 1_000  # of 2 to 4 KB each


class FrameInfo(NamedTuple):
    """One frame of a stack, without its locals; there are dozens for each call that is found."""

    code: CodeType
    line: int
    lasti: int
    module: str
    imported_module: str = ""  # the module that this frame of the import machinery loads
    is_template: bool = False  # made of a template by Jinja or Mako

    @property
    def label(self) -> str:
        """`module:function`, as allow rules are written."""
        return f"{self.module}:{self.code.co_qualname}"


class KnownStack:
    """What all stacks of the same code, at the same instructions, have in common."""

    __slots__ = ("call_sites", "depths", "frames")

    def __init__(self, frames: tuple[FrameInfo, ...], depths: tuple[int, ...]) -> None:
        self.frames = frames
        self.depths = depths  # of these frames, among all that were read
        self.call_sites: dict[Any, Any] = {}  # what the analysis has found

    def __repr__(self) -> str:
        return f"<KnownStack of {len(self.frames)} frames>"


class CallStack:
    """The stack of one call, innermost frame first; it lives as long as the call is reported."""

    __slots__ = ("_read", "known")

    def __init__(self, known: KnownStack, read: list[tuple[FrameType, CodeType]]) -> None:
        self.known = known
        self._read = read

    def frame_id(self, depth: int) -> int:
        """A number of its own for a frame of `known.frames`, as long as that runs."""
        return identity(self._read[self.known.depths[depth]][0])

    def __repr__(self) -> str:
        return f"<CallStack: {self.known!r}>"


# Process-wide, like code objects. Both keep the code objects whose identities are in their keys.
_STACKS: dict[tuple[int, ...], KnownStack] = {}
_FRAMES: dict[tuple[int, int], FrameInfo] = {}


def read_call_stack(frame: FrameType, line: int = 0) -> CallStack:
    """The stack of a call that `frame` makes, on the thread that makes it.

    The call began at `line` of the frame, where that is not its current line any more. In a
    request the stack ends at the client that drives the app.
    """
    in_activity = bool(ACTIVITY.get())
    read = _frames_of_step(frame)
    key: list[int] = [line]
    for depth, (current, code) in enumerate(read):
        key += (identity(code), current.f_lasti)
        if (
            in_activity
            and code.co_filename.startswith(PACKAGE)
            and not code.co_filename.startswith(PLUGIN_LAYERS)
            and not is_wrapper(code.co_filename)
        ):
            del read[depth + 1 :]
            break
    known = _STACKS.get(tuple(key))
    if known is None:
        known = _read_frames(read, key)
    return CallStack(known, read)


def _frames_of_step(frame: FrameType | None) -> list[tuple[FrameType, CodeType]]:
    """The frames from here outwards to the event loop, innermost first."""
    found: list[tuple[FrameType, CodeType]] = []
    while frame is not None:
        code = frame.f_code  # an audit event, which takes as long as all else here
        if code.co_name in LOOP_FUNCTIONS and runs_steps(code):
            outermost = None if code.co_name in STEP_FUNCTIONS else nested_loop_frame(frame)
            if outermost is None:
                break
            # Of a loop that is run inside a step, its own frames but the outermost are left out.
            found, frame = [], outermost
            code = frame.f_code
        found.append((frame, code))
        frame = frame.f_back
    return found


def _read_frames(read: list[tuple[FrameType, CodeType]], key: list[int]) -> KnownStack:
    """Read these frames, and keep what they say."""
    if len(_STACKS) >= _MAX_STACKS:
        _STACKS.clear()
        _FRAMES.clear()
    frames: list[FrameInfo] = []
    depths: list[int] = []
    lasts = True
    for depth, (frame, code) in enumerate(read):
        if is_wrapper(code.co_filename):
            continue
        place = (identity(code), frame.f_lasti)
        info = _FRAMES.get(place)
        if info is None:
            info = read_frame(frame, code)
            if not info.imported_module:
                _FRAMES[place] = info
        lasts = lasts and not info.imported_module
        frames.append(info)
        depths.append(depth)
    if key[0] and frames:
        frames[0] = frames[0]._replace(line=key[0])
    known = KnownStack(tuple(frames), tuple(depths))
    if lasts:
        _STACKS[tuple(key)] = known
    return known


def read_stack(frame: FrameType | None) -> list[FrameInfo]:
    """The frames of a step of any thread, innermost first; the package's own are left out.

    Frame by frame, unlike `_frames_of_step()`: what another thread leaves meanwhile is not kept.
    """
    found: list[FrameInfo] = []
    while frame is not None:
        code = frame.f_code
        if runs_steps(code):
            outermost = nested_loop_frame(frame)
            if outermost is None:
                break
            found, frame = [], outermost
            code = frame.f_code
        if not is_wrapper(code.co_filename):
            found.append(read_frame(frame, code))
        frame = frame.f_back
    return found


def stack_of_callback(callback: Any) -> list[FrameInfo]:
    """Where a task is suspended, innermost first; used where no stack was sampled.

    Of a task that has ended only the function is left; then it is its first line.
    """
    found: list[FrameInfo] = []
    get_coro = getattr(getattr(callback, "__self__", None), "get_coro", None)
    coroutine: Any = get_coro() if get_coro is not None else None
    while (code := getattr(coroutine, "cr_code", None)) is not None:
        frame = coroutine.cr_frame
        line = code.co_firstlineno if frame is None else frame.f_lineno
        module = "" if frame is None else str(frame.f_globals.get("__name__"))
        found.append(FrameInfo(code, line, -1, module))
        coroutine = coroutine.cr_await
    code = getattr(callback, "__code__", None)
    if not found and code is not None:
        found.append(FrameInfo(code, code.co_firstlineno, -1, callback.__module__))
    return found[::-1]


def read_frame(frame: FrameType, code: CodeType) -> FrameInfo:
    """What one frame says, which runs `code`."""
    names = frame.f_globals
    imported_module = ""
    if code.co_name == "_find_and_load" and code.co_filename.startswith("<frozen"):
        imported_module = str(frame.f_locals.get("name", ""))
    return FrameInfo(
        code,
        frame.f_lineno or 0,
        frame.f_lasti,
        str(names.get("__name__") or ""),
        imported_module,
        _TEMPLATES[0] in names or _TEMPLATES[1] in names,
    )
