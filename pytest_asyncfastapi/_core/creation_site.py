"""Who made this task, thread, client or generator: one frame, and the activity it was in.

A whole stack at each `create_task` would cost nine times the call, one frame
half of it. Packages that name a place look it up here; the recorder is the concurrency
package.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .activity import ACTIVITY
from .frames import is_installed, is_stdlib

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .findings import Location
    from .frames import UserCode

_OURS = str(Path(__file__).parent.parent) + os.sep
# Ours too, but between the code that creates a task and the call that does it.
_HERE = Path(__file__).parent.parent
_INSTRUMENTATION = (
    str(_HERE / "_concurrency") + os.sep,
    str(_HERE / "_explore" / "unfinished_work.py"),
)
# Libraries between the code that creates a task or opens a thing, and the call that does it.
_PLUMBING = ("asyncio", "anyio", "trio", "uvloop", "httpx", "httpx2", "httpcore", "httpcore2")
_STEPS = frozenset({"_run_once", "run_forever", "unrolled_run"})
_LOOPS = (os.path.join("asyncio", "base_events.py"), os.path.join("trio", "_core", "_run.py"))
_ATTRIBUTE = "_asyncfastapi_creation_site"
_MAX_FRAMES = 60  # frames that are looked at
_MAX_GENERATIONS = 12  # generations that are remembered
# Trio's tasks take no attributes, but own their context.
_CONTEXT_SITE: ContextVar[CreationSite | None] = ContextVar(
    "asyncfastapi_creation_site", default=None
)


class CreationSite:
    """The user's line that made something, and in what.

    `direct` says that the line made it itself and not some library below it;
    `code` is None where no line of the user's was on the stack. What a task of the
    user's makes has the task's `owner`: a server of a wider fixture goes on in each
    test. Lean, since there is one for each task.
    """

    __slots__ = ("activity", "code", "direct", "generation", "line", "module", "owner", "parent")
    generation: int
    parent: CreationSite | None

    def __init__(
        self, code: CodeType | None, line: int, module: str, direct: bool, owner: object
    ) -> None:
        self.code: CodeType | None = code
        self.line: int = line
        self.module: str = module
        self.direct: bool = direct
        self.activity: str = ACTIVITY.get()
        parent = current_creation_site()
        creator: CreationSite | None = parent
        while creator is not None and creator.code is None:
            creator = creator.parent  # a runner's, or some library's
        self.owner: object = owner if creator is None or owner is None else creator.owner
        generation: int = 0 if parent is None else parent.generation + 1
        self.parent = None if generation > _MAX_GENERATIONS else parent
        self.generation = 0 if generation > _MAX_GENERATIONS else generation

    def where(self, user: UserCode) -> Location | None:
        """The line, as people are shown it."""
        return None if self.code is None else user.location(self.code, self.line)

    def describe(self, user: UserCode) -> str:
        """`at app.py:31, in checkout (GET /x)`; who made that task, on the lines below it."""
        lines: list[str] = []
        site: CreationSite | None = self
        while site is not None:
            where = site.where(user)
            if where is not None:
                inside = f" ({site.activity})" if site.activity else ""
                lines.append(f"at {where}, in {where.function}{inside}")
            site = site.parent
        return "\nfrom a task created ".join(lines)

    def __repr__(self) -> str:
        name = self.code.co_qualname if self.code is not None else "?"
        return f"<CreationSite in {name}:{self.line} ({self.activity or 'no activity'})>"


def capture(frame: FrameType | None, user: UserCode, owner: object) -> CreationSite | None:
    """The creation site of what the code at `frame` makes; None for the plugin's own code."""
    direct: bool | None = None
    kinds = user.kinds
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        # The module is checked first: `f_code` is an audit event, and most frames are libraries'.
        filename = frame.f_globals.get("__file__") or frame.f_code.co_filename
        kind = kinds.get(filename) or _kind(filename, user)
        if kind == "user" and user.owns_frame(frame):
            code, module = frame.f_code, str(frame.f_globals.get("__name__") or "")
            return CreationSite(code, frame.f_lineno or 0, module, direct is not False, owner)
        if kind == "ours":
            if direct is None:
                return None
            break
        if kind == "loop" and frame.f_code.co_name in _STEPS:
            break
        if direct is None and kind == "library":
            direct = False
        frame = frame.f_back
    return CreationSite(None, 0, "", False, owner)


def _kind(filename: str, user: UserCode) -> str:
    """Whose file this is: `user`, `ours`, `loop`, `plumbing` (see below) or `library`."""
    if user.owns(filename):
        found = "user"
    elif filename.startswith(_OURS) and not filename.startswith(_INSTRUMENTATION):
        found = "ours"
    elif filename.endswith(_LOOPS):
        found = "loop"
    else:
        found = "plumbing" if is_plumbing(filename, user) else "library"
    user.kinds[filename] = found
    return found


def is_plumbing(filename: str, user: UserCode) -> bool:
    """Is this a library through which people create tasks and open things?"""
    known = user.plumbing.get(filename)
    if known is None:
        parts = filename.split(os.sep)
        known = user.plumbing[filename] = filename.startswith(_INSTRUMENTATION) or (
            is_stdlib(filename) or (is_installed(filename) and any(p in parts for p in _PLUMBING))
        )
    return known


def attach(task: Any, site: CreationSite | None) -> None:
    """Store the creation site of a task (asyncio's take attributes, trio's have a context)."""
    if site is None:
        return
    if isinstance(task, asyncio.Future):
        setattr(task, _ATTRIBUTE, site)
    elif (context := getattr(task, "context", None)) is not None:
        context.run(_CONTEXT_SITE.set, site)


def creation_site_of(task: Any) -> CreationSite | None:
    """The creation site of a task of either library, if it was recorded."""
    found: CreationSite | None = getattr(task, _ATTRIBUTE, None)
    if found is None and not isinstance(task, asyncio.Future):
        context = getattr(task, "context", None)
        found = None if context is None else context.get(_CONTEXT_SITE)
    return found


def creation_site_of_handle(handle: Any) -> CreationSite | None:
    """The creation site of the task that a handle of asyncio's (or trio's task itself) steps."""
    task = getattr(getattr(handle, "_callback", None), "__self__", handle)
    return None if task is None else creation_site_of(task)


def current_creation_site() -> CreationSite | None:
    """The creation site of the running task."""
    if asyncio._get_running_loop() is not None:
        return getattr(asyncio.current_task(), _ATTRIBUTE, None)
    return _CONTEXT_SITE.get() if "trio" in sys.modules else None
