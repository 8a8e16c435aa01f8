"""Ends the tasks that a test left behind, in its own loop, even uncancellable ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._core.force_terminate import force_terminate, prevent_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PASSES = 5  # of the loop, for what is about to end by itself
_MAX_CANCELS = 3
_TIMEOUT = 0.2  # seconds for a task to clean up after each cancellation
_FIRST_TIMEOUT = 5.0  # for one that no test has reported: its cleanup may be slow


async def run_pending() -> None:
    """Let what is about to end (a task that was cancelled just now) do so."""
    for _ in range(_PASSES):
        await asyncio.sleep(0)


def reap(
    loop: Any,
    tasks: Iterable[asyncio.Task[Any]],
    on_uncancellable: Callable[[asyncio.Task[Any]], None],
) -> None:
    """Cancel these tasks and wait for their end.

    One that swallows every cancellation would keep the loop from closing forever: it is
    ended by force, after `on_uncancellable` was called with it.
    """
    if running := list(tasks):
        loop.run_until_complete(_cancel_and_wait(running, on_uncancellable, _TIMEOUT))
        for task in running:
            if task.done() and not task.cancelled():
                task.exception()  # retrieved, so that it is not logged


def close(loop: Any, on_uncancellable: Callable[[asyncio.Task[Any]], None]) -> None:
    """Leave a loop that is about to close nothing that it would wait for without an end.

    Its tasks are cancelled, and its generators closed, as `asyncio.Runner.close()` does,
    which has no patience of its own to lose.
    """
    if tasks := asyncio.all_tasks(loop):
        loop.run_until_complete(_cancel_and_wait(tasks, on_uncancellable, _FIRST_TIMEOUT))
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
        loop.run_until_complete(_close_generators(loop, on_uncancellable))


async def _close_generators(
    loop: Any, on_uncancellable: Callable[[asyncio.Task[Any]], None]
) -> None:
    """Close the generators of a loop that is about to do so itself."""
    open_ones = [generator for generator in loop._asyncgens if generator.ag_frame is not None]
    closing = [asyncio.ensure_future(_aclose(generator)) for generator in open_ones]
    await asyncio.wait(closing, timeout=_FIRST_TIMEOUT)
    await _cancel_and_wait(closing, on_uncancellable, _TIMEOUT)
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


async def _cancel_and_wait(
    tasks: Iterable[asyncio.Task[Any]],
    on_uncancellable: Callable[[asyncio.Task[Any]], None],
    timeout: float,
) -> None:
    running = [task for task in tasks if not task.done()]
    for _ in range(_MAX_CANCELS):
        for task in running:
            task.cancel()
        await run_pending()
        running = [task for task in running if not task.done()]
        if not running:
            return
        await asyncio.wait(running, timeout=timeout)
        running, timeout = [task for task in running if not task.done()], _TIMEOUT
    for task in running:
        on_uncancellable(task)
    for task in running:
        await force_terminate(task)
