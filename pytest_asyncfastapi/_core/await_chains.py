"""Who waits where: the await chain of every task of a loop, as text.

A suspended task has no stack, only coroutines that await each other; this
module walks them, and adds who created the task where that is known. It changes nothing.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import sys
from typing import TYPE_CHECKING, Any

from .creation_site import creation_site_of
from .frames import UserCode
from .waiters import find_cycle, waits_among

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable, Iterator

    from .creation_site import CreationSite
    from .findings import Location

_LINKS = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))
# Opaque helpers of the interpreter; what they wrap shows only to the collector.
_WRAPPERS = ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper")
_LIMIT = 200
_NAMES = 3  # of the tasks that one waits for
# Where every task of trio's is suspended: left out.
_TRIO_TRAPS = "trio._core._traps"


def frames_of(task: Any) -> list[types.FrameType]:
    """The suspended frames of a task of either library, outermost first; empty when it has none."""
    frames = _walk(task.get_coro() if hasattr(task, "get_coro") else task.coro)
    return [frame for frame in frames if frame.f_globals.get("__name__") != _TRIO_TRAPS]


def _walk(awaited: Any) -> Iterator[types.FrameType]:
    for _ in range(_LIMIT):
        if awaited is None:
            return
        for frame_name, next_name in _LINKS:
            if hasattr(awaited, next_name):
                frame = getattr(awaited, frame_name, None)
                if frame is not None:
                    yield frame
                awaited = getattr(awaited, next_name)
                break
        else:
            awaited = _unwrap(awaited)


def _unwrap(awaited: Any) -> Any:
    if type(awaited).__name__ not in _WRAPPERS and "anext" not in type(awaited).__name__:
        return None
    for referent in gc.get_referents(awaited):
        if (
            inspect.iscoroutine(referent)
            or inspect.isasyncgen(referent)
            or inspect.isgenerator(referent)
            or type(referent).__name__ in _WRAPPERS
        ):
            return referent
    return None


def describe_tasks(loop: asyncio.AbstractEventLoop, *, of_users: bool = False) -> str:
    """Write the await chain of every unfinished task of this loop; see `describe_each`."""
    try:
        current = asyncio.current_task(loop)
    except RuntimeError:
        current = None
    return describe_each(asyncio.all_tasks(loop), current, of_users=of_users)


def describe_each(tasks: Iterable[Any], current: Any = None, *, of_users: bool = False) -> str:
    """Write the await chain of each task, one block a task.

    The user's lines are shown with their source, outermost first; of other
    people's code only the innermost call is named. The task that is running
    right now comes first and is marked so; of another one it is said for which
    tasks it waits, where that is known. Where it was watched, the place
    that created the task stands below. `of_users` leaves out the tasks in which
    nothing of the user's runs. A task is whatever has `get_name()` and
    `get_coro()`.
    """
    users = UserCode(os.getcwd())
    ordered = sorted(tasks, key=lambda task: (task is not current, _age(task)))
    waits = waits_among(ordered)
    blocks = [
        _describe(
            task.get_name(),
            frames,
            users,
            creation_site_of(task),
            _state_of(task, current, waits.get(task)),
        )
        for task in ordered
        if _any_owned(frames := frames_of(task), users) or not of_users
    ]
    if each_other := find_cycle(waits):
        names = " waits for ".join(repr(task.get_name()) for task in each_other)
        blocks.insert(0, f"Tasks wait for each other: {names}.")
    return "\n".join(blocks) or "no task is left"


def _state_of(task: Any, current: Any, awaited: list[Any] | None = None) -> str:
    if task is current:
        return "is running"
    if not awaited:
        return "waits"
    names = ", ".join(repr(each.get_name()) for each in awaited[:_NAMES])
    more = f" and {len(awaited) - _NAMES} more" if len(awaited) > _NAMES else ""
    return f"waits for {names}{more}"


def _any_owned(frames: list[types.FrameType], users: UserCode) -> bool:
    return any(users.owns_frame(frame) for frame in frames)


def describe_trio_tasks() -> str:
    """The same for the trio run that the caller is in: tasks below the root, outermost first."""
    trio: Any = sys.modules["trio"]
    users = UserCode(os.getcwd())
    current = trio.lowlevel.current_task()
    blocks: list[str] = []
    waiting = [trio.lowlevel.current_root_task()]
    while waiting and len(blocks) < _LIMIT:
        task = waiting.pop(0)
        waiting.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
        frames = frames_of(task)
        if _any_owned(frames, users):
            blocks.append(
                _describe(
                    task.name, frames, users, creation_site_of(task), _state_of(task, current)
                )
            )
    return "\n".join(blocks) or "no task of yours is left"


def user_lines(task: Any, users: UserCode) -> list[Location]:
    """Where a task (of either library) is suspended, in the user's lines, outermost first."""
    return [
        users.location(frame.f_code, frame.f_lineno)
        for frame in frames_of(task)
        if users.owns_frame(frame)
    ]


def line_of(step: Any) -> str:
    """The user's line at which the task of this step is suspended: text, empty without one.

    `step` is a task of trio's, or the callback of a handle on asyncio.
    """
    task = getattr(step, "__self__", step)
    if not hasattr(task, "get_coro") and not hasattr(task, "coro"):
        return ""
    lines = user_lines(task, UserCode(os.getcwd()))
    return f"{lines[-1]}: {lines[-1].source}" if lines else ""


def _age(task: asyncio.Task[Any]) -> tuple[int, str]:
    """`Task-10` was made after `Task-9`; named tasks come last, by name."""
    name = task.get_name()
    number = name.removeprefix("Task-")
    return (int(number), "") if number.isdigit() else (1 << 60, name)


def _describe(
    name: str, frames: list[types.FrameType], users: UserCode, site: CreationSite | None, state: str
) -> str:
    if not frames:
        return f"{name!r} has not started or has no Python frames"
    lines = [f"{name!r} {state}:"]
    mine = [frame for frame in frames if users.owns_frame(frame)]
    for frame in mine or frames[:1]:
        place = users.location(frame.f_code, frame.f_lineno)
        lines.append(f"    {place.function}  {place}\n        {place.source}")
    innermost = frames[-1]
    if innermost not in mine and (mine or len(frames) > 1):
        lines.append(f"    in {_qualified_name(innermost)}")
    if site is not None and site.code is not None:
        lines.append("    created " + site.describe(users).replace("\n", "\n    "))
    return "\n".join(lines)


def _qualified_name(frame: types.FrameType) -> str:
    module = frame.f_globals.get("__name__", "?")
    return f"{module}.{frame.f_code.co_qualname}()"
