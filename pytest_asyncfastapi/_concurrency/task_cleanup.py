"""Ends the tasks that a test left behind, in its own loop, even those that resist."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._core.force_terminate import force_terminate, prevent_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PASSES = 5  # of the loop, for what is about to end by itself
_CANCELS = 3
_PATIENCE = 0.2  # seconds for a task to clean up after each cancellation
_GENTLE = 5.0  # for one that no test has reported: its cleanup may be slow


async def run_pending() -> None:
    """Let what is about to end (a task that was cancelled just now) do so."""
    for _ in range(_PASSES):
        await asyncio.sleep(0)


def reap(
    loop: Any, tasks: Iterable[asyncio.Task[Any]], resisting: Callable[[asyncio.Task[Any]], None]
) -> None:
    """Cancel these tasks and wait for their end.

    One that swallows every cancellation would keep the loop from closing forever: it is
    ended by force, after `resisting` was called with it.
    """
    if left := list(tasks):
        loop.run_until_complete(_ended(left, resisting, _PATIENCE))
        for task in left:
            if task.done() and not task.cancelled():
                task.exception()  # nobody else will ask for it


def close(loop: Any, resisting: Callable[[asyncio.Task[Any]], None]) -> None:
    """Leave a loop that is about to close nothing that it would wait for without an end.

    Its tasks are cancelled, and its generators closed, as `asyncio.Runner.close()` does,
    which has no patience of its own to lose.
    """
    if tasks := asyncio.all_tasks(loop):
        loop.run_until_complete(_ended(tasks, resisting, _GENTLE))
    for task in tasks:
        if not task.cancelled() and task.done() and (error := task.exception()):
            loop.call_exception_handler(
                {
                    "message": "unhandled exception during asyncio.run() shutdown",
                    "exception": error,
                    "task": task,
                }
            )
    # uvloop keeps its generators to itself.
    if any(generator.ag_frame is not None for generator in getattr(loop, "_asyncgens", ())):
        loop.run_until_complete(_closed(loop, resisting))


async def _closed(loop: Any, resisting: Callable[[asyncio.Task[Any]], None]) -> None:
    """Close the generators of a loop that is about to do so itself."""
    open_ones = [generator for generator in loop._asyncgens if generator.ag_frame is not None]
    closing = [asyncio.ensure_future(_aclose(generator)) for generator in open_ones]
    await asyncio.wait(closing, timeout=_GENTLE)
    await _ended(closing, resisting, _PATIENCE)
    for task, generator in zip(closing, open_ones, strict=True):
        if task.done() and not task.cancelled() and (error := task.exception()):
            loop.call_exception_handler(
                {
                    "message": f"an error occurred during closing of asynchronous generator "
                    f"{generator!r}",
                    "exception": error,
                    "asyncgen": generator,
                }
            )
        if generator.ag_frame is not None:
            loop._asyncgens.discard(generator)
            prevent_collection(generator)


async def _aclose(generator: Any) -> None:
    await generator.aclose()


async def _ended(
    tasks: Iterable[asyncio.Task[Any]],
    resisting: Callable[[asyncio.Task[Any]], None],
    patience: float,
) -> None:
    left = [task for task in tasks if not task.done()]
    for _ in range(_CANCELS):
        for task in left:
            task.cancel()
        await run_pending()
        left = [task for task in left if not task.done()]
        if not left:
            return
        await asyncio.wait(left, timeout=patience)
        left, patience = [task for task in left if not task.done()], _PATIENCE
    for task in left:
        resisting(task)
    for task in left:
        await force_terminate(task)
