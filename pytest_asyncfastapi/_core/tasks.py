"""Run a coroutine beside the caller, on asyncio or trio, holding no scope open.

A task group held across a `yield` ties the client to one task and wraps errors
in groups; a plain Task (asyncio) and a system task (trio) do neither. Whoever
spawns one must reap it. On asyncio from Python 3.12 on the task starts eagerly:
an app that never suspends is done before `spawn` returns, except on a loop whose
schedule is explored, where requests must be able to overtake each other from their
first step.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from . import force_terminate
from .activity import activity_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context


# Set on a loop whose schedules are explored: our tasks begin like any other.
NOT_EAGER = "_asyncfastapi_not_eager"


class SpawnedTask(Protocol):
    """A coroutine that runs on its own; it must catch what it raises."""

    def cancel(self) -> object:
        """Ask it to stop, at its next suspension."""


class Signal:
    """Wakes all current waiters; costs nothing while there are none.

    `event` is None while there are none: a hot path may check it before it calls `fire()`.
    """

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event: anyio.Event | None = None

    def fire(self) -> None:
        """Wake all who wait now. Later waiters wait for the next one."""
        event, self.event = self.event, None
        if event is not None:
            event.set()

    async def wait(self) -> None:
        """Wait for the next `fire()`."""
        if self.event is None:
            self.event = anyio.Event()
        await self.event.wait()


class _TrioTask:
    __slots__ = ("_scope", "_task")

    def __init__(self, coroutine: Coroutine[Any, Any, None], context: Context, name: str) -> None:
        import trio

        scope = self._scope = trio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    await coroutine
            except* force_terminate.ForcedExit:
                pass

        self._task = trio.lowlevel.spawn_system_task(run, name=name, context=context)

    def cancel(self) -> None:
        self._scope.cancel()


async def terminate(task: Any) -> bool:
    """End what was cancelled in vain, with what it has started; False if even that is in vain."""
    return await force_terminate.force_terminate(
        task._task if isinstance(task, _TrioTask) else task
    )


def spawn(
    coroutine: Coroutine[Any, Any, None], context: Context, name: str, *, at_once: bool = True
) -> tuple[SpawnedTask, Callable[[], float]]:
    """Start `coroutine` in `context`; returns its handle and the clock in force (seconds).

    `at_once`: before this returns, up to its first wait, where Python can.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return _TrioTask(coroutine, context, name), trio.current_time
    task: asyncio.Task[None]
    if sys.version_info >= (3, 12):
        eager = at_once and not hasattr(loop, NOT_EAGER)
        if eager:
            activity_changed()
        task = asyncio.Task(coroutine, loop=loop, context=context, name=name, eager_start=eager)
        if eager and not task.done():
            context.run(activity_changed)
    else:
        task = asyncio.Task(coroutine, loop=loop, context=context, name=name)
    return task, loop.time


def is_explored() -> bool:
    """Are the schedules of the running loop being explored, in virtual time?"""
    return hasattr(asyncio._get_running_loop(), NOT_EAGER)
