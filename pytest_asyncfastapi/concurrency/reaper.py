"""Ends the tasks that a test left behind, in its own loop, even those that resist."""

from __future__ import annotations

import asyncio
import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_PASSES = 5  # of the loop, for what is about to end by itself
_CANCELS = 3
_PATIENCE = 0.2  # seconds for a task to clean up after each cancellation


async def settle() -> None:
    """Let what is about to end (a task that was cancelled just now) do so."""
    for _ in range(_PASSES):
        await asyncio.sleep(0)


def reap(loop: Any, tasks: Sequence[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Cancel these tasks and wait for their end; returns those that would not.

    A task that swallows every cancellation would keep the loop from closing for
    ever; it is struck off the list of those that the loop waits for.
    """
    if not tasks:
        return []
    loop.run_until_complete(_cancelled(tasks))
    resisting = [task for task in tasks if not task.done()]
    for task in resisting:
        asyncio.tasks._unregister_task(task)
        keep_for_ever(task.get_coro())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # nobody else will ask for it
    return resisting


def keep_for_ever(coroutine: object) -> None:
    """Never let it be collected: that closes it, and one that swallows all of it would spin.

    Without a loop its waits fail at once, in a `while True:` for ever, at the end of the run.
    """
    if getattr(coroutine, "cr_frame", None) is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for _ in range(_CANCELS):
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        await settle()
        left = [task for task in left if not task.done()]
        if not left:
            return
        await asyncio.wait(left, timeout=_PATIENCE)
