"""Force-terminates a task that swallows every cancellation, so that nothing waits for it forever.

`except CancelledError` and `except Exception` do not catch `ForcedExit`: it is thrown in
at each await until the task is over. One that catches even that is removed from the
list of those that its loop waits for. Works on asyncio and trio.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_THROWS = 20  # awaits of its cleanup that a task is thrown out of
_LOOP_STEPS = 3  # of the loop, for a task to notice


class ForcedExit(BaseException):
    """Thrown into a task that has to end. Unlike `GeneratorExit` it reaches the innermost await."""


async def force_terminate(task: Any) -> bool:
    """Make a task of either library end, with those that it has started; False if it does not.

    For one that was cancelled in vain. The tasks of its nurseries and of anyio's task
    groups end with it.
    """
    if not isinstance(task, asyncio.Task):
        return await _end_on_trio(task)
    ended = [await _end_on_asyncio(each) for each in _descendants(task)]
    return all([*ended, await _end_on_asyncio(task)])


async def terminate_children(task: Any) -> None:
    """End what this task, which is the caller's own, has started: see `force_terminate`."""
    if isinstance(task, asyncio.Task):
        for each in _descendants(task):
            await _end_on_asyncio(each)
    else:
        for child in list(_children(task)):
            await _end_on_trio(child)


def tasks_below(task: Any) -> list[Any]:
    """The tasks that run in the groups (or nurseries) of this one, and in theirs."""
    if isinstance(task, asyncio.Task):
        return list(_descendants(task))
    return [each for each in _task_tree(task) if each is not task]


def close_coroutine(coroutine: Any) -> bool:
    """Throw a coroutine that is not awaited out of each of its awaits; False if it goes on."""
    return any(_throw_once(coroutine) for _ in range(_MAX_THROWS))


# asyncio


async def _end_on_asyncio(task: asyncio.Task[Any]) -> bool:
    if not task.done() and _close(task):
        task.add_done_callback(_forget)
        task.cancel()  # wakes it, to find that there is nothing left to run
    for _ in range(_LOOP_STEPS):  # to be done, and to wake its waiters
        await asyncio.sleep(0)
    if not task.done():
        unregister_task(task)
    return task.done()


def _descendants(task: asyncio.Task[Any]) -> list[asyncio.Task[Any]]:
    """The tasks of anyio's groups below this one, the youngest generation first."""
    children: dict[int | None, list[int]] = {}
    for info in anyio.get_running_tasks():
        children.setdefault(info.parent_id, []).append(info.id)
    found, waiting = [], [id(task)]
    while waiting:
        below = children.pop(waiting.pop(0), [])
        found += below
        waiting += below
    tasks = {id(each): each for each in asyncio.all_tasks()}
    return [tasks[number] for number in reversed(found) if number in tasks]


def unregister_task(task: asyncio.Task[Any]) -> None:
    """Remove this task from those that its loop and cancel scopes wait for."""
    asyncio.tasks._unregister_task(task)
    _leave_scopes(task)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    prevent_collection(task.get_coro())


def _leave_scopes(task: asyncio.Task[Any]) -> None:
    """A cancelled scope of anyio's would go on cancelling it at each step of the loop."""
    from anyio._backends import _asyncio as backend

    state = getattr(backend, "_task_states", {}).get(task)
    scope = getattr(state, "cancel_scope", None)
    while scope is not None:
        scope._tasks.discard(task)
        scope = scope._parent_scope


def prevent_collection(coroutine: Any) -> None:
    """Leak this coroutine on purpose: it must not be collected, not even at exit.

    It would close it; and what catches everything, around an `await` that fails at once
    because no loop runs, does not come back from that.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # retrieved, so that it is not logged


def _close(task: asyncio.Task[Any]) -> bool:
    """Throw the coroutine of a task out of each await, as if in its step; False if it goes on."""
    coroutine: Any = task.get_coro()
    context = getattr(task, "get_context", None)  # Python 3.12
    run = _call if context is None else context().run
    loop = task.get_loop()
    current = asyncio.current_task(loop)
    if current is not None:
        asyncio.tasks._leave_task(loop, current)
    asyncio.tasks._enter_task(loop, task)  # cancel scopes check by which task they are left
    try:
        return bool(run(close_coroutine, coroutine))
    finally:
        asyncio.tasks._leave_task(loop, task)
        if current is not None:
            asyncio.tasks._enter_task(loop, current)


def _call(function: Any, coroutine: Any) -> Any:
    return function(coroutine)


def _throw_once(coroutine: Any) -> bool:
    """Throw once; is it over then? Else it awaits something in its cleanup."""
    try:
        trap = coroutine.throw(ForcedExit())
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        return bool(inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED)
    if getattr(trap, "_asyncio_future_blocking", False):
        trap._asyncio_future_blocking = False  # it will not be awaited
    return False


# trio


async def _end_on_trio(task: Any) -> bool:
    import trio

    for _ in range(_MAX_THROWS):
        left = [each for each in _task_tree(task) if _alive(each)]
        if not left:
            return True
        for each in left:
            # Whoever waits for the end of a child ends by itself when the child has.
            if not any(_alive(child) for child in _children(each)):
                _throw(each)
        for _ in range(_LOOP_STEPS):
            await trio.lowlevel.cancel_shielded_checkpoint()
    return not _alive(task)


def _children(task: Any) -> Iterator[Any]:
    for nursery in task.child_nurseries:
        yield from nursery.child_tasks


def _task_tree(task: Any) -> Iterator[Any]:
    """The tasks below this one, then itself."""
    for child in _children(task):
        yield from _task_tree(child)
    yield task


def _alive(task: Any) -> bool:
    return bool(inspect.getcoroutinestate(task.coro) != inspect.CORO_CLOSED)


def _throw(task: Any) -> None:
    """Resume this task with `ForcedExit`: trio has no public function for that."""
    import outcome

    def leave() -> None:
        raise ForcedExit

    if task._next_send_fn is not None:  # about to run: with something else than it was to
        task._next_send_fn, task._next_send = task.coro.send, outcome.Error(ForcedExit())
    elif task._abort_func is not None:
        task._attempt_abort(leave)
