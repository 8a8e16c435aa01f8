"""Which lines are the user's: the place that a finding points at.

A file is the user's when it is neither the standard library, nor installed
(`site-packages`), nor ours. The answer is cached per file name, because it is
needed often.
"""

from __future__ import annotations

import ast
import functools
import linecache
import os
import sys
from itertools import islice
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from .findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, TracebackType

_OURS = str(Path(__file__).parent.parent) + os.sep
# Asking sysconfig for it would cost more than the rest of this module.
_STDLIB = os.path.realpath(os.path.dirname(os.__file__)) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def is_ours(filename: str) -> bool:
    """Is this file part of this plugin?"""
    return filename.startswith(_OURS)


def is_installed(filename: str) -> bool:
    """Is this file a third-party package?"""
    return any(part in filename for part in _INSTALLED)


def is_stdlib(filename: str) -> bool:
    """Is this file Python itself (frozen modules and `<string>` code count too)?"""
    if filename.startswith("<"):
        return True
    return not is_installed(filename) and os.path.realpath(filename).startswith(_STDLIB)


# How an event loop takes the next step of a task.
_STEPS = ("_run_once", "run_forever", "unrolled_run")
# Frames above these did not call what is below them; by module and function.
_BEGINNINGS = {
    "asyncio.base_events": _STEPS,
    "trio._core._run": _STEPS,
    "starlette.background": ("__call__",),
    "pytest_asyncfastapi._core.other_test_clients": ("call",),
}
_SCRIPTS = os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin") + os.sep


@functools.lru_cache(maxsize=256)
def called_names(code: CodeType, instruction: int) -> tuple[str, ...]:
    """`("self", "_tx", "get")` where this instruction is the call `self._tx.get(...)`, or ()."""
    place = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    line, last, start, end = place
    if line is None or line != last:
        return ()
    source = linecache.getline(code.co_filename, line).encode()[start:end]
    try:
        node: Any = ast.parse(source.decode(), mode="eval").body
    except (SyntaxError, ValueError):
        return ()
    node, names = getattr(node, "func", None), []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


# A number for an object while it lives, as id() gives it; but that is an audit event, and under
# the blocking guard a call of Python's. The own hash of a code object reads all of its bytes.
identity = object.__hash__


class UserCode:
    """Tells the user's frames from everybody else's, relative to the project's root."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root: str = os.path.realpath(root) + os.sep
        self.owned: dict[str, bool] = {}  # by file; what `owns()` remembers
        self._shown: dict[str, str] = {}
        self.plumbing: dict[str, bool] = {}  # of `creation_site`, used as often
        self.kinds: dict[str, str] = {}  # the same

    def owns(self, filename: str) -> bool:
        """Is this file the user's own?"""
        known = self.owned.get(filename)
        if known is None:
            known = self.owned[filename] = self._owns(filename)
        return known

    def owns_frame(self, frame: FrameType) -> bool:
        """Does this frame run code of the user's own?

        Its module is checked first: `f_code` is an audit event, and under the blocking guard a
        call of Python's; nearly all frames of a stack are libraries'.
        """
        if self.owned.get(frame.f_globals.get("__file__", "")) is False:
            return False
        return self.owns(frame.f_code.co_filename)

    def _owns(self, filename: str) -> bool:
        if filename.startswith((_OURS, _SCRIPTS)):  # such as bin/pytest
            return False
        if is_installed(filename) or is_stdlib(filename):
            return False
        return os.path.isabs(filename) or os.path.exists(filename)

    def location(self, code: CodeType, line: int) -> Location:
        """The line as people are shown it: path relative to the root, source text."""
        filename = code.co_filename
        source = linecache.getline(filename, line).strip()
        return Location(self.show(filename), line, code.co_qualname, source)

    def line(self, filename: str, line: int, function: str) -> Location:
        """The same for a line of which only the name of the file is known."""
        return Location(
            self.show(filename), line, function, linecache.getline(filename, line).strip()
        )

    def show(self, filename: str) -> str:
        """A path relative to the project's root where it lies inside it."""
        shown = self._shown.get(filename)
        if shown is None:
            real = os.path.realpath(filename)
            shown = real[len(self.root) :] if real.startswith(self.root) else filename
            if os.path.isabs(filename):  # else it depends on where the process is
                self._shown[filename] = shown
        return shown

    def frames(self, frame: FrameType | None) -> Iterator[FrameType]:
        """The user's frames, innermost first."""
        while frame is not None:
            if self.owns_frame(frame):
                yield frame
            frame = frame.f_back

    def where(self, frame: FrameType | None) -> Location | None:
        """The innermost line of the user's at or above `frame`."""
        mine = self.innermost(frame)
        return None if mine is None else self.location(mine.f_code, mine.f_lineno)

    def innermost(self, frame: FrameType | None) -> FrameType | None:
        """The first of the user's frames; called at every upstream call, so without a generator."""
        known = self.owned
        while frame is not None:
            # As `owns_frame()` does.
            if known.get(frame.f_globals.get("__file__", "")) is not False and self.owns(
                frame.f_code.co_filename
            ):
                return frame
            frame = frame.f_back
        return None

    def caller(self, frame: FrameType | None) -> FrameType | None:
        """The first of the user's frames, up to the event loop that takes this step.

        Beyond it stands whoever runs the loop, and has called nothing here; beyond Starlette's
        background tasks, whoever made the request.
        """
        known = self.owned
        while frame is not None:
            names = frame.f_globals
            if known.get(names.get("__file__", "")) is not False and self.owns(
                frame.f_code.co_filename
            ):
                return frame
            begins = _BEGINNINGS.get(names.get("__name__", ""))
            if begins is not None and frame.f_code.co_name in begins:
                return None
            frame = frame.f_back
        return None

    def callers(self, frame: FrameType | None) -> tuple[tuple[CodeType, int], ...]:
        """The user's code and lines, innermost first, up to the loop or thread that runs them."""
        found: list[tuple[CodeType, int]] = []
        while (mine := self.caller(frame)) is not None:
            found.append((mine.f_code, mine.f_lineno))
            frame = mine.f_back
        return tuple(found)

    def raised_at(self, trace: TracebackType | None) -> Location | None:
        """The innermost of the user's lines in a traceback."""
        lines = [
            (frame.f_code, line)
            for frame, line in walk_tb(trace)
            if self.owns(frame.f_code.co_filename)
        ]
        return self.location(*lines[-1]) if lines else None

    def chain(self, frame: FrameType | None) -> tuple[Location, ...]:
        """The user's lines from the outermost down to `frame`.

        While a task takes a step, the coroutines that it awaits are ordinary
        frames on the stack, so this is the await chain.
        """
        found = [self.location(mine.f_code, mine.f_lineno) for mine in self.frames(frame)]
        return tuple(reversed(found))

    def __repr__(self) -> str:
        return f"<UserCode below {self.root!r}>"
