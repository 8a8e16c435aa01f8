"""Which line of the user's needs a thread: the function that is to run there, or its caller.

Used only for a call that has to wait. Reads from the frames of anyio and trio the
function that waits for a thread; changes nothing.
"""

from __future__ import annotations

import functools
import inspect
import linecache
from typing import TYPE_CHECKING, Any

from .._core.frames import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from .._core.findings import Location
    from .._core.frames import UserCode

# The library's function that waits, and its variable that is to run in the thread.
_WAITING = {"run_sync_in_worker_thread": "func", "to_thread_run_sync": "sync_fn"}


def location_of_job(
    frame: FrameType | None, user: UserCode, function: Any = None
) -> Location | None:
    """The user's function that waits for a thread, else their line that requested one."""
    above: list[FrameType] = []
    while frame is not None:
        name = _WAITING.get(frame.f_code.co_name)
        if name is not None and function is None:
            function = frame.f_locals.get(name)
        above.append(frame)
        frame = frame.f_back
    for code in _codes_of(function):
        if user.owns(code.co_filename):
            return user.location(code, _line_of_def(code))
    for mine in above[1:]:
        if is_ours(mine.f_code.co_filename):
            return None  # above it is the test that made the request
        if user.owns(mine.f_code.co_filename):
            return user.location(mine.f_code, mine.f_lineno)
    return None


def _codes_of(function: Any) -> Iterator[CodeType]:
    """Of the function and, where it is a partial, of those that it is given to call."""
    if isinstance(function, functools.partial):
        # FastAPI's run an endpoint through a function of its own, asyncio.to_thread's in a context.
        for one in (function.func, *function.args, *function.keywords.values()):
            yield from _codes_of(one)
        return
    owner: Any = getattr(function, "__self__", None)
    if getattr(function, "__name__", "") == "__enter__" and hasattr(owner, "gen"):
        yield owner.gen.gi_code  # a dependency with a `yield`
    elif inspect.isroutine(function):
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is not None:
            yield code


def _line_of_def(code: CodeType) -> int:
    """The line of `def`, which is below that of a decorator."""
    for number in range(code.co_firstlineno, code.co_firstlineno + 20):
        if linecache.getline(code.co_filename, number).lstrip().startswith(("def ", "async def ")):
            return number
    return code.co_firstlineno
