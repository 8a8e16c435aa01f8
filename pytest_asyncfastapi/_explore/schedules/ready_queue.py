"""The ready queue of a loop while its order is chosen: one lane a task, one for the rest.

Stands in for `loop._ready`. The steps of a task stay in order, and so do all
callbacks that belong to no task (lane 0); which lane goes next is up to a
policy. The lanes are offered in the order of their numbers, not of arrival, so
that a set iterated somewhere does not change the choice. What other threads
add waits in `inbox` until `WorkerJobs` adds it. Must not depend on what threads do.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from bisect import insort
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .policies import Offer, Policy

# How asyncio hands the result of a `concurrent.futures.Future` to its own.
_CHAINED = "_chain_future.<locals>._set_state"
REST = 0  # the number of the lane of all callbacks that are not steps of a task


class Lane:
    """The handles of one task that are ready, each with its number of arrival."""

    __slots__ = ("label", "number", "task", "waiting")

    def __init__(self, number: int, task: asyncio.Task[Any] | None, label: str) -> None:
        self.number = number
        self.task = task
        self.label = label
        self.waiting: deque[tuple[int, Any]] = deque()

    def __repr__(self) -> str:
        return f"<Lane {self.number} {self.label!r}, {len(self.waiting)} ready>"


class ControlledReadyQueue:
    """What `loop._ready` is while exploring; `asyncio` appends to it and pops from it.

    Its length is 1 at most: the loop takes one step, then looks at its timers and
    its selector again, where the results of worker threads are let in.
    """

    def __init__(self, loop_thread: int) -> None:
        self._loop_thread = loop_thread  # the loop's thread
        self._rest = Lane(REST, None, "callbacks")
        self._lanes: dict[asyncio.Task[Any], Lane] = {}
        self._ready: dict[int, Lane] = {}
        self._order: list[int] = []
        self._labels: dict[str, int] = {}
        self._arrivals = 0
        self._lock = threading.Lock()
        self._successor: Any = None  # where later handles go, once this is over
        # Reads the byte by which threads wake the loop: it comes whenever it comes, and does
        # nothing that anybody could see.
        self.wakeup: Any = None
        self.policy: Policy | None = None
        self.inbox: deque[Any] = deque()
        self.arrived: Callable[[Any], None] | None = None
        self.taken: Callable[[Lane, Any], None] | None = None
        self.steps: list[int] = []
        self.changes: list[tuple[int, int]] = []  # what makes `Fifo` of the same order
        self.offers: list[Offer] = []
        self._favourite = -1

    # What asyncio does with it

    def append(self, handle: Any) -> None:
        """A handle is ready; `call_soon_threadsafe` comes here from other threads."""
        if threading.get_ident() != self._loop_thread or self._successor is not None:
            self._from_outside(handle)
        elif handle is self.wakeup:
            handle._run()
        else:
            if getattr(handle._callback, "__qualname__", "") == _CHAINED and self.arrived:
                self.arrived(handle)  # a job that was done before anybody could wait for it
            self.add(handle)

    def _from_outside(self, handle: Any) -> None:
        with self._lock:
            if self._successor is not None:
                self._successor.append(handle)
                return
            self.inbox.append(handle)
        if self.arrived is not None:
            self.arrived(handle)

    def add(self, handle: Any) -> None:
        """Put a handle into its lane."""
        task = getattr(handle._callback, "__self__", None)
        # A step or a wake-up; `call_later(1, task.cancel)` is something else.
        if isinstance(task, asyncio.Task) and getattr(handle._callback, "__name__", "") != "cancel":
            lane = self._lanes.get(task) or self._new_lane(task)
        else:
            lane = self._rest
        self._arrivals += 1
        lane.waiting.append((self._arrivals, handle))
        if len(lane.waiting) == 1:
            self._ready[lane.number] = lane
            insort(self._order, lane.number)

    def _new_lane(self, task: asyncio.Task[Any]) -> Lane:
        label = label_of(task)
        count = self._labels[label] = self._labels.get(label, 0) + 1
        lane = Lane(len(self._lanes) + 1, task, label if count == 1 else f"{label} #{count}")
        self._lanes[task] = lane
        return lane

    def popleft(self) -> Any:
        """The handle that runs next. Raises `IndexError` when none is ready."""
        order = self._order
        number = order[0]
        if self.policy is not None:
            if len(order) > 1:
                number = self._choose(self.policy)
            self.steps.append(number)
        elif len(order) > 1:
            number = self._first()
        lane = self._ready[number]
        _, handle = lane.waiting.popleft()
        if not lane.waiting:
            del self._ready[number]
            order.remove(number)
        if self.taken is not None:
            self.taken(lane, handle)
        return handle

    def _first(self) -> int:
        return min(self._ready.values(), key=lambda lane: lane.waiting[0][0]).number

    def _choose(self, policy: Policy) -> int:
        first = self._first()
        number = policy.choose(self._order, first)
        if number != (self._favourite if self._favourite in self._order else first):
            self._favourite = number
            self.changes.append((len(self.offers), number))
        self.offers.append((tuple(self._order), number))
        return number

    @property
    def decisions(self) -> int:
        """How often there was more than one lane to choose from."""
        return len(self.offers)

    def __len__(self) -> int:
        return 1 if self._order else 0

    def __bool__(self) -> bool:
        return bool(self._order or self.inbox)

    def __iter__(self) -> Iterator[Any]:
        waiting = sorted(pair for lane in self._ready.values() for pair in lane.waiting)
        return iter([handle for _, handle in waiting])

    def clear(self) -> None:
        """Forget every handle, as a loop does that is closed."""
        for lane in self._ready.values():
            lane.waiting.clear()
        self._ready.clear()
        self._order.clear()
        self.inbox.clear()

    # What it came to

    def transfer_to(self, stock: deque[Any]) -> None:
        """It is over: what is ready, and all that follows, goes to `stock` in order of arrival."""
        left = list(self)
        with self._lock:
            left.extend(self.inbox)
            stock.extend(left)
            self._successor = stock
            self.clear()
        self._lanes.clear()
        self.taken = self.arrived = None

    def trace(self) -> str:
        """Twelve hexadecimal digits for the order of all steps; equal for equal runs."""
        text = "|".join(self._labels) + "|" + ",".join(map(str, self.steps))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def __repr__(self) -> str:
        return f"<ControlledReadyQueue: {len(self._order)} ready, {len(self.steps)} steps>"


# anyio runs the body of a test in a task of this name.
_RUNNER = "TestRunner._run_tests_and_fixtures"


def label_of(task: asyncio.Task[Any]) -> str:
    """A task in words: the request that it serves, or its coroutine."""
    name = task.get_name()
    if not name.startswith("Task-"):
        return name
    coroutine = task.get_coro()
    label = getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__
    return "the test" if label == _RUNNER else label
