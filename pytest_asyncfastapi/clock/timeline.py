"""What time it is, and which timer comes next.

Time is kept twice: `now` is the float that `loop.time()` answers, and `ticks`
counts 100 ns since the start in whole numbers. Deadlines are ordered by
ticks, so 0.1 + 0.2 and 0.3 are the same moment, and ten thousand sleeps add
up without float drift, however long the machine has been up.

This module must not know when it is safe to move time; `selector.py` does.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

TICKS = 10_000_000
# A deadline at infinity is no deadline.
_NEVER = 1 << 62


class OrderedTimer(asyncio.TimerHandle):
    """A timer that fires after its equals which were set before it."""

    __slots__ = ("due", "order")

    due: int
    order: int

    def __lt__(self, other: object) -> bool:
        if isinstance(other, OrderedTimer):
            return (self.due, self.order) < (other.due, other.order)
        return (
            self.when() < other.when() if isinstance(other, asyncio.TimerHandle) else NotImplemented
        )

    def __gt__(self, other: object) -> bool:
        # Asked as the reflection of `stock timer < self`; the stock one is older.
        if isinstance(other, OrderedTimer):
            return (self.due, self.order) > (other.due, other.order)
        return (
            self.when() >= other.when()
            if isinstance(other, asyncio.TimerHandle)
            else NotImplemented
        )


class Timeline:
    """Virtual time of one loop, its timers, and the goals of `advance()`."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.now: float = loop.time()
        self.ticks = 0
        self._orders = count(1)
        self._goals: list[tuple[int, int, float, asyncio.Future[None]]] = []

    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """What `loop.call_at` does, with an `OrderedTimer`."""
        if when is None:
            raise TypeError("when cannot be None")
        loop = self._loop
        loop._check_closed()
        if loop.get_debug():
            loop._check_thread()
            loop._check_callback(callback, "call_at")
        timer = OrderedTimer(when, callback, args, loop, context)
        trace = getattr(timer, "_source_traceback", None)
        if trace:
            del trace[-1]
        timer.due = self.due(when)
        timer.order = next(self._orders)
        heapq.heappush(loop._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined] # asyncio's own bookkeeping
        return timer

    def due(self, when: float) -> int:
        """A time of the loop in ticks."""
        distance = (when - self.now) * TICKS
        return self.ticks + round(distance) if distance < _NEVER else _NEVER

    def goal(self, duration: float) -> asyncio.Future[None]:
        """A future that is done at now + `duration`, after all that is due until then."""
        future: asyncio.Future[None] = asyncio.Future(loop=self._loop)
        due = self.ticks + round(duration * TICKS)
        entry = (due, next(self._orders), self.now + duration, future)
        heapq.heappush(self._goals, entry)
        return future

    def drop_goals(self, error: Exception) -> None:
        """Nobody will move time any more: tell those who wait for it."""
        for *_, future in self._goals:
            if not future.done():
                future.set_exception(error)
        self._goals.clear()

    def next_when(self) -> float | None:
        """The loop time of the next timer or goal, None when there is none."""
        moment = self._next()
        return None if moment is None else moment[1]

    def jump(self) -> bool:
        """Move exactly to the next timer or goal; False when there is none."""
        moment = self._next()
        if moment is None:
            return False
        due, when, future = moment
        self.ticks = max(self.ticks, due)
        self.now = max(self.now, when)
        if future is not None:
            heapq.heappop(self._goals)
            future.set_result(None)
        return True

    def flow(self, duration: float) -> None:
        """Let time pass, never past the next timer or goal."""
        when = self.next_when()
        if when is not None and self.now + duration >= when:
            self.jump()
            return
        self.ticks += round(duration * TICKS)
        self.now += duration

    def _next(self) -> tuple[int, float, asyncio.Future[None] | None] | None:
        while self._goals and self._goals[0][3].done():
            heapq.heappop(self._goals)
        scheduled = self._loop._scheduled
        timer = scheduled[0] if scheduled else None
        due = _NEVER
        if timer is not None:
            due = timer.due if isinstance(timer, OrderedTimer) else self.due(timer.when())
        if self._goals and self._goals[0][0] < due:
            goal_due, _, when, future = self._goals[0]
            return goal_due, when, future
        return None if timer is None or due >= _NEVER else (due, timer.when(), None)

    def __repr__(self) -> str:
        return f"<Timeline at {self.ticks / TICKS} s, loop time {self.now}>"


class ShiftedTime:
    """`loop.time` once virtual time is over: the stock clock plus an offset.

    Virtual time has usually run ahead; the loop's time must not go back.
    """

    def __init__(self, stock: Callable[[], float], now: float) -> None:
        inner = stock.stock if isinstance(stock, ShiftedTime) else stock
        self.stock: Callable[[], float] = inner
        self.offset = now - self.stock()

    def __call__(self) -> float:
        """Answer like `loop.time()`."""
        return self.stock() + self.offset

    def __repr__(self) -> str:
        return f"<ShiftedTime by {self.offset:+.6f} s>"
