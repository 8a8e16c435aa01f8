"""What time it is, and which timer comes next.

Time is kept twice: `now` is the float that `loop.time()` answers, and `ticks`
counts 100 ns since the start in whole numbers. Deadlines are ordered by
ticks, so 0.1 + 0.2 and 0.3 are the same moment, and ten thousand sleeps add
up without float drift, however long the machine has been up. `now` is rounded up, see
`round_up()`, so that what a test measures does not depend on that either.

`selector.py` decides when it is safe to move time.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from abc import ABC, abstractmethod
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

TICKS = 10_000_000
# A deadline at infinity means none.
NEVER = 1 << 62
_BINARY_PLACES = 30  # about a nanosecond
_PRECISION = 53  # binary digits of a float


def round_up(time: float) -> float:
    """The next multiple of 2^-30 s; of more, where a float has no digits for that.

    The loop of a test begins at whatever time the machine has been up. Where all times are such
    multiples, the difference of two is exact: a sleep of 75 s takes 75 s by `loop.time()`, and
    one of 0.1 s never less than that, on each machine alike.
    """
    places = min(_BINARY_PLACES, _PRECISION - 3 - math.frexp(time)[1])
    return math.ldexp(math.ceil(math.ldexp(time, places)), -places)


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
        # Called as the reflection of `stock timer < self`; the stock one is older.
        if isinstance(other, OrderedTimer):
            return (self.due, self.order) > (other.due, other.order)
        return (
            self.when() >= other.when()
            if isinstance(other, asyncio.TimerHandle)
            else NotImplemented
        )


class ClockWaiter(Protocol):
    """What `advance()` waits for: an asyncio future, or its like on trio."""

    def done(self) -> bool:
        """Has it been reached, or given up?"""
        ...

    def set_result(self, result: None, /) -> None:
        """Reached."""

    def set_exception(self, error: Exception, /) -> None:
        """It will never be reached."""

    def __await__(self) -> Any:
        """Wait until then."""


class Timeline(ABC):
    """Virtual time of one loop, and the goals of `advance()`; each kind of loop adds timers."""

    def __init__(self, now: float) -> None:
        self.now: float = round_up(now)
        self.ticks: int = 0
        self.orders: count[int] = count(1)
        self.on_move: Callable[[int], None] | None = None  # called with the number of ticks
        self._waiters: list[tuple[int, int, float, ClockWaiter]] = []

    @abstractmethod
    def next_timer(self) -> tuple[int, float] | None:
        """The next timer of the loop: its ticks and its time; None when there is none."""

    @abstractmethod
    def new_waiter(self) -> ClockWaiter:
        """Something of this kind of loop to wait for."""

    def due(self, when: float) -> int:
        """A time of the loop in ticks."""
        distance = (when - self.now) * TICKS
        return self.ticks + round(distance) if distance < NEVER else NEVER

    def waiter_for(self, duration: float) -> ClockWaiter:
        """To await: done at now + `duration`, after all that is due until then."""
        waiter = self.new_waiter()
        due = self.ticks + round(duration * TICKS)
        heapq.heappush(self._waiters, (due, next(self.orders), self.now + duration, waiter))
        return waiter

    def fail_waiters(self, error: Exception) -> None:
        """Time will not be moved any more: raise in those who wait for it."""
        for *_, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiters.clear()

    def next_when(self) -> float | None:
        """The loop time of the next timer or goal, None when there is none."""
        moment = self._next()
        return None if moment is None else moment[1]

    def jump(self) -> bool:
        """Move exactly to the next timer or goal; False when there is none."""
        moment = self._next()
        if moment is None:
            return False
        due, when, waiter = moment
        self._move(max(due - self.ticks, 0))
        self._set_now(max(self.now, round_up(when)))
        if waiter is not None:
            heapq.heappop(self._waiters)
            waiter.set_result(None)
        return True

    def flow(self, duration: float) -> None:
        """Let time pass, never past the next timer or goal."""
        when = self.next_when()
        if when is not None and self.now + duration >= when:
            self.jump()
            return
        ticks = round(duration * TICKS)  # whole ones, or else the two kinds of time drift apart
        self._move(ticks)
        self._set_now(self.now + ticks / TICKS)

    def _set_now(self, now: float) -> None:
        self.now = now

    def _move(self, ticks: int) -> None:
        self.ticks += ticks
        if self.on_move is not None and ticks:
            self.on_move(ticks)

    def _next(self) -> tuple[int, float, ClockWaiter | None] | None:
        while self._waiters and self._waiters[0][3].done():
            heapq.heappop(self._waiters)
        timer = self.next_timer()
        if self._waiters and (timer is None or self._waiters[0][0] < timer[0]):
            due, _, when, waiter = self._waiters[0]
            return due, when, waiter
        return None if timer is None or timer[0] >= NEVER else (*timer, None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.ticks / TICKS} s, loop time {self.now}>"


class AsyncioTimeline(Timeline):
    """Virtual time of an asyncio loop, with the loop's own heap of timers."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop.time())
        self._loop = loop
        self._resolution: float = loop._clock_resolution

    def _set_now(self, now: float) -> None:
        super()._set_now(now)
        # The loop runs the timers before now plus this. In half a year its nanosecond is less than
        # the last digit of now, and the timer that is due would never run.
        self._loop._clock_resolution = max(self._resolution, math.ulp(self.now))

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
        timer.order = next(self.orders)
        heapq.heappush(loop._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined] # asyncio's own bookkeeping
        return timer

    def new_waiter(self) -> ClockWaiter:
        """A future of the loop."""
        return asyncio.Future(loop=self._loop)

    def next_timer(self) -> tuple[int, float] | None:
        """The head of the loop's heap; the loop itself drops cancelled ones from it."""
        scheduled = self._loop._scheduled
        if not scheduled:
            return None
        timer = scheduled[0]
        when = timer.when()
        return (timer.due if isinstance(timer, OrderedTimer) else self.due(when)), when


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
