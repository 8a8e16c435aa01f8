"""Which tasks of asyncio wait for a future, or for each other.

From Python 3.14 on each future knows who awaits it, in whatever way; before that it is read
from the tasks, for `await` and `gather()` only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    Waits = dict[asyncio.Task[Any], list[asyncio.Task[Any]]]

_HAS_AWAITED_BY = hasattr(asyncio.Future, "_asyncio_awaited_by")


def tasks_awaiting(future: Any) -> list[asyncio.Task[Any]]:
    """The tasks that wait for this future; none if it is not a future of asyncio's."""
    if not asyncio.isfuture(future):
        return []
    if _HAS_AWAITED_BY:
        return _awaited_by(future)
    return [task for task in asyncio.all_tasks(future.get_loop()) if future in _read_awaited(task)]


def waits_among(tasks: Iterable[Any]) -> Waits:
    """For which of these tasks each of them waits, in their order."""
    waits: Waits = {task: [] for task in tasks if isinstance(task, asyncio.Task)}
    if not _HAS_AWAITED_BY:
        return _waits_read_among(waits)
    for task in waits:
        for waiter in _awaited_by(task):
            if waiter in waits:
                waits[waiter].append(task)
    return waits


def find_cycle(waits: Waits) -> list[asyncio.Task[Any]]:
    """Tasks that wait for each other, the first one again at the end; empty if none do."""
    done: set[asyncio.Task[Any]] = set()
    for start in waits:
        path: list[asyncio.Task[Any]] = []
        left = [iter([start])]
        while left:
            task = next(left[-1], None)
            if task is None:
                left.pop()
                if path:
                    done.add(path.pop())
            elif task in path:
                found = path[path.index(task) :]
                first = next(found.index(each) for each in waits if each in found)
                return [*found[first:], *found[: first + 1]]
            elif task not in done:
                path.append(task)
                left.append(iter(waits[task]))
    return []


def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, also where tasks wait for each other.

    What is cancelled cancels what it awaits: in a circle until Python's stack is full. So one
    task of each circle is woken first, with a `CancelledError`, and this one after it.
    """
    loop = task.get_loop()
    waits = _waits_read_among(asyncio.all_tasks(loop))
    woken = False
    while found := find_cycle(waits):
        _wake_cancelled(found[0])
        waits[found[0]], woken = [], True
    if woken:
        loop.call_soon(task.cancel)
    else:
        task.cancel()


def _wake_cancelled(task: Any) -> None:
    """Have a task await a future that is cancelled already, in place of the one it does."""
    cancelled = task.get_loop().create_future()
    cancelled.cancel()
    awaited = task._fut_waiter
    for callback, context in awaited._callbacks or ():
        if getattr(callback, "__self__", None) is task:
            awaited.remove_done_callback(callback)
            cancelled.add_done_callback(callback, context=context)


def _waits_read_among(tasks: Iterable[Any]) -> Waits:
    among = set(tasks)
    return {task: [each for each in _read_awaited(task) if each in among] for task in tasks}


def _awaited_by(future: Any) -> list[asyncio.Task[Any]]:
    return [each for each in future._asyncio_awaited_by or () if isinstance(each, asyncio.Task)]


def _read_awaited(task: Any) -> list[Any]:
    """What a task awaits, and what is gathered in it."""
    awaited = getattr(task, "_fut_waiter", None)
    return [] if awaited is None else [awaited, *(getattr(awaited, "_children", None) or ())]
