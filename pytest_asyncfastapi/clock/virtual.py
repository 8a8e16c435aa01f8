"""The public object behind the `clock` fixture: virtual time on a running loop.

It installs itself on the loop instance that is already there, so anyio's
runner and pytest-asyncio work alike, and takes itself off again. Trio is out
of scope for now: without a running asyncio loop there is a `ClockError`.
This module must not know when it is safe to jump, nor anything of pytest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..units import seconds
from .await_chains import describe_tasks
from .errors import ClockError
from .real_work import RealWork
from .selector import VirtualSelect
from .timeline import TICKS, ShiftedTime, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

_NOT_ASYNCIO = "virtual time runs on asyncio only for now; run this test on the asyncio backend"


class VirtualClock:
    """Virtual time for one asyncio loop.

    Time stands still while code runs and while real work (a thread, a
    database, a socket) is pending, and jumps to the next timer when there is
    none. `freeze_bound` (seconds of real time) limits one standstill: after
    it, time runs at real speed until the work is done, and `notes` names it.
    """

    def __init__(self, *, freeze_bound: float = 10.0) -> None:
        self.freeze_bound = freeze_bound
        self.on_deadlock: Callable[[str], None] | None = None
        self.notes: list[str] = []
        self._loop: Any = None
        self._timeline: Timeline | None = None
        self._select: VirtualSelect | None = None
        self._patches: list[tuple[Any, str, Any, Any]] = []
        self._waited = 0.0
        self._ticks = 0

    @property
    def installed(self) -> bool:
        """Is a loop's time virtual right now?"""
        return self._loop is not None

    def install(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Make the time of `loop` (default: the running one) virtual.

        Raises `RuntimeError` when this clock already belongs to another loop,
        and `ClockError` where virtual time is impossible: no asyncio loop, or
        one that is not asyncio's own.
        """
        if loop is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                raise ClockError(_NOT_ASYNCIO) from None
        if self._loop is loop:
            return
        if self._loop is not None:
            raise RuntimeError(
                f"this clock is installed on {self._loop!r}; uninstall it before it can serve "
                f"{loop!r}, or use one clock a loop"
            )
        _check(loop)
        self._install(loop)

    def _install(self, loop: Any) -> None:
        timeline = Timeline(loop)
        work = RealWork(loop)
        select = VirtualSelect(
            loop,
            loop._selector.select,
            timeline,
            work,
            freeze_bound=self.freeze_bound,
            on_deadlock=self._deadlock,
            notes=self.notes,
        )

        def time() -> float:
            return timeline.now

        self._loop, self._timeline, self._select = loop, timeline, select
        self._patch(loop, "time", time)
        self._patch(loop, "call_at", timeline.call_at)
        self._patch(loop, "create_future", work.watch_create_future(loop.create_future))
        self._patch(loop, "run_in_executor", work.watch_run_in_executor(loop.run_in_executor))
        self._patch(loop._selector, "select", select.select)

    def _patch(self, target: Any, name: str, value: Any) -> None:
        self._patches.append((target, name, value, vars(target).get(name)))
        setattr(target, name, value)

    def uninstall(self) -> None:
        """Give the loop its own time back; it goes on from the virtual time, never back.

        Timers that are still pending stay valid. Whoever is inside `advance()`
        gets a `ClockError`.
        """
        if self._loop is None or self._timeline is None or self._select is None:
            return
        loop, timeline = self._loop, self._timeline
        self._waited, self._ticks = self.real_waited, timeline.ticks
        self._select.on = False
        stock_time: Any = None
        for target, name, value, before in reversed(self._patches):
            if name == "time":
                stock_time = before if before is not None else _stock(target, name)
            # Somebody who has wrapped ours since keeps a pass-through.
            if vars(target).get(name) is value or name == "time":
                if before is None:
                    delattr(target, name)
                else:
                    setattr(target, name, before)
        self._patches.clear()
        loop.time = ShiftedTime(stock_time, timeline.now)
        self._loop = self._timeline = self._select = None
        if not loop.is_closed():
            timeline.drop_goals(ClockError("the clock was uninstalled while advance() waited"))

    def time(self) -> float:
        """Seconds of virtual time since `install()`; 0.0 at first, kept after the end."""
        return (self._ticks if self._timeline is None else self._timeline.ticks) / TICKS

    @property
    def elapsed(self) -> float:
        """The same as `time()`: "answered after 2.0 s"."""
        return self.time()

    @property
    def real_waited(self) -> float:
        """Real seconds (`time.perf_counter`) that time stood still for real work."""
        return self._waited if self._select is None else self._waited + self._select.real_waited

    async def advance(self, duration: float | str) -> None:
        """Let `duration` ("3s", 0.05) pass and everything due until then run, in order.

        Returns at exactly start + duration, once the loop is idle there. Raises
        `ClockError` when the clock is not installed on the running loop, and
        `ValueError` for something that is no duration.
        """
        length = seconds(duration)
        if self._timeline is None or self._loop is not asyncio.get_running_loop():
            raise ClockError(
                "clock.advance() needs the clock on the running loop: call clock.install() first"
            )
        await self._timeline.goal(length)

    def _deadlock(self) -> None:
        report = (
            f"Deadlock at virtual time {self.time()} s: no task can run, no timer is set, and no "
            "thread or I/O is at work, so nothing will ever happen again.\n"
            f"{describe_tasks(self._loop)}\n"
            "What these tasks wait for has to be set, released or cancelled by somebody; "
            "or give the wait a timeout."
        )
        if self.on_deadlock is None:
            raise ClockError(report)
        self.on_deadlock(report)

    def __repr__(self) -> str:
        state = "installed" if self.installed else "not installed"
        return f"<VirtualClock {state}, {self.time()} s, {len(self.notes)} notes>"


def _check(loop: Any) -> None:
    if not hasattr(getattr(loop, "_selector", None), "get_map"):
        name = f"{type(loop).__module__}.{type(loop).__qualname__}"
        raise ClockError(
            f"virtual time needs asyncio's own event loop; {name} (uvloop?) hides when it is "
            "idle: remove it for this test or don't ask for `clock`"
        )
    other = getattr(loop._selector.select, "__self__", None)
    if isinstance(other, VirtualSelect) and other.on:
        raise RuntimeError(f"another clock is already installed on {loop!r}; one clock a loop")


def _stock(target: Any, name: str) -> Any:
    return getattr(type(target), name).__get__(target)
