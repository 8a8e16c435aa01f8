"""Which locks, semaphores and pooled things the app has taken in a run and not given back.

Wraps `acquire` and `release` of asyncio's classes (and anyio's semaphore on asyncio), and
`get_nowait` and `put_nowait` of `asyncio.Queue`, during a run. The locks of anyio and trio
cannot be tracked: those are found by the request that is sent once more.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.findings import Location
    from .._core.frames import UserCode


@dataclass(frozen=True, slots=True)
class HeldItem:
    """A lock that is held, or an item out of a pool: its class, and the line that took it."""

    what: str
    where: Location


@dataclass(slots=True, eq=False)
class _TrackedQueue:
    """A queue: how full it was at first, and what is out, each with the line that took it."""

    queue: Any
    size: int
    out: list[tuple[Any, Location | None]] = field(default_factory=list)


class HeldLocks:
    """Records between `start()` and `stop()`; `held()` is what was taken and not given back.

    A queue is a pool where what was taken is put back: `returned` are the lines of which
    that is true, `missing()` is what left a queue emptier than it was.
    """

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self._taken: dict[int, list[tuple[Any, Location]]] = {}
        self._queues: dict[int, _TrackedQueue] = {}
        self._patches = Patches()
        self.returned: set[Location] = set()

    def start(self) -> None:
        """Patch the classes."""
        for kind in _locks():
            self._patches.wrap(kind, "acquire", self._acquiring)
            self._patches.wrap(kind, "release", self._releasing)
        self._patches.wrap(asyncio.Queue, "get_nowait", self._getting)
        self._patches.wrap(asyncio.Queue, "put_nowait", self._putting)

    def stop(self) -> None:
        """Put back what was there."""
        self._patches.undo()

    def _acquiring(self, original: Any) -> Any:
        async def acquire(lock: Any) -> Any:
            where = self._user_code.where(sys._getframe(1))
            got = await original(lock)
            if where is not None:
                self._taken.setdefault(id(lock), []).append((lock, where))
            return got

        return acquire

    def _releasing(self, original: Any) -> Any:
        def release(lock: Any) -> None:
            original(lock)
            taken = self._taken.get(id(lock))
            if taken:
                taken.pop(0)

        return release

    def _getting(self, original: Any) -> Any:
        # `get()` ends with this, too.
        def get_nowait(queue: Any) -> Any:
            tracked = self._track(queue)
            item = original(queue)
            tracked.out.append((item, self._user_code.where(sys._getframe(1))))
            return item

        return get_nowait

    def _putting(self, original: Any) -> Any:
        def put_nowait(queue: Any, item: Any) -> None:
            tracked = self._track(queue)
            original(queue, item)
            back = next((out for out in tracked.out if out[0] is item), None)
            if back is not None and back[1] is not None:
                self.returned.add(back[1])
            if tracked.out:
                tracked.out.remove(back or tracked.out[0])  # a new one, in its place

        return put_nowait

    def _track(self, queue: Any) -> _TrackedQueue:
        return self._queues.setdefault(id(queue), _TrackedQueue(queue, queue.qsize()))

    def held(self) -> list[HeldItem]:
        """What is still held."""
        return [
            HeldItem(type(lock).__name__, where)
            for taken in self._taken.values()
            for lock, where in taken
        ]

    def missing(self) -> list[HeldItem]:
        """What is out of a queue that had more at first."""
        return [
            HeldItem(type(tracked.queue).__name__, where)
            for tracked in self._queues.values()
            if tracked.queue.qsize() < tracked.size
            for _, where in tracked.out
            if where is not None
        ]

    def __repr__(self) -> str:
        return f"<HeldLocks: {len(self.held())} held, {len(self.missing())} missing>"


def _locks() -> Iterator[Any]:
    """The classes that are wrapped."""
    yield from (asyncio.Lock, asyncio.Semaphore)
    backend: Any = sys.modules.get("anyio._backends._asyncio")
    if hasattr(backend, "Semaphore"):
        yield backend.Semaphore
