"""The public object behind the `clock` fixture: virtual time on a running loop.

The API is the same on asyncio and on trio; what it does to the loop is in
`on_asyncio.py` and `on_trio.py`. Must not import pytest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from .._core.current_loop import in_trio
from .._core.units import seconds
from .errors import ClockError
from .patched_time import PatchedTime
from .timeline import TICKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jump_policy import JumpPolicy, Policy
    from .timeline import Timeline

_NO_LOOP = (
    "virtual time is installed on a running event loop, and none is running here: call "
    "clock.install() from inside a coroutine"
)


class _Installation(Protocol):
    owner: Any
    timeline: Timeline
    jump_policy: JumpPolicy

    def is_here(self) -> bool: ...

    def uninstall(self, error: Exception) -> None: ...


class VirtualClock:
    """Virtual time for one asyncio loop or one trio run.

    Time stands still while code runs and while real work (a thread, a
    database, a socket) is pending, and jumps to the next timer when there is
    none.

    Args:
        freeze_bound: The limit of one standstill, in seconds of real time: after it, time runs at
            real speed until the work is done, and `notes` names it.
        policy: `"freeze"`; or `"flow"`: time runs at real speed while there is real work, so
            that a slow thread does hit a timeout.

    Raises:
        ValueError: If `policy` is neither.
    """

    def __init__(self, *, freeze_bound: float = 10.0, policy: Policy = "freeze") -> None:
        if policy not in ("freeze", "flow"):
            raise ValueError(f"policy={policy!r} must be one of freeze, flow")
        self.freeze_bound = freeze_bound
        self.policy: Policy = policy
        self.on_deadlock: Callable[[str], None] | None = None
        self.notes: list[str] = []
        self.used: bool = False  # has it ever been installed?
        self._installation: _Installation | None = None
        self._patched: PatchedTime | None = None
        self._waited = 0.0
        self._ticks = 0

    @property
    def installed(self) -> bool:
        """Is a loop's time virtual right now?"""
        return self._installation is not None

    def install(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Make the time of a loop virtual.

        Args:
            loop: The loop; the running one, of asyncio or trio, if it is None.

        Raises:
            RuntimeError: If this clock already belongs to another loop.
            ClockError: Where virtual time is impossible: no loop runs, or one that is neither
                asyncio's own nor trio with its own clock.
        """
        home: Any = loop if loop is not None else _running_owner()
        if self._installation is not None and self._installation.owner is home:
            return
        if self._installation is not None:
            raise RuntimeError(
                f"this clock is installed on {self._installation.owner!r}; uninstall it before "
                f"it can serve {home!r}, or use one clock a loop"
            )
        kind: Any
        if type(home).__module__.partition(".")[0] == "trio":
            from .on_trio import TrioInstallation as kind
        else:
            from .on_asyncio import AsyncioInstallation as kind
        self._installation = kind(
            home,
            self.notes,
            freeze_bound=self.freeze_bound,
            policy=self.policy,
            on_deadlock=self._deadlock,
        )
        self.used = True

    def uninstall(self) -> None:
        """Give the loop its own time back; it goes on from the virtual time, never back.

        Timers that are still pending stay valid. Whoever is inside `advance()`
        gets a `ClockError`.
        """
        if self._patched is not None:
            self._patched.restore()
            self._patched = None
        if self._installation is None:
            return
        on, self._waited, self._ticks = (
            self._installation,
            self.real_waited,
            self._installation.timeline.ticks,
        )
        self._installation = None
        on.uninstall(ClockError("the clock was uninstalled while advance() waited"))

    def time(self) -> float:
        """The virtual time since `install()`.

        Returns:
            Seconds: 0.0 at first; the last value is kept after the end.
        """
        return (
            self._ticks if self._installation is None else self._installation.timeline.ticks
        ) / TICKS

    @property
    def elapsed(self) -> float:
        """The same as `time()`: "answered after 2.0 s"."""
        return self.time()

    @property
    def real_waited(self) -> float:
        """Real seconds (`time.perf_counter`) that time stood still for real work."""
        return (
            self._waited
            if self._installation is None
            else self._waited + self._installation.jump_policy.real_waited
        )

    async def advance(self, duration: float | str) -> None:
        """Let a duration pass and everything due until then run, in order.

        Returns at exactly start + duration, once the loop is idle there.

        Args:
            duration: Seconds of virtual time, or `"3s"`.

        Raises:
            ClockError: If the clock is not installed on the running loop.
            ValueError: For something that is not a duration.

        Example:
            ```python
            await clock.advance("3s")
            assert clock.time() == 3.0
            ```
        """
        length = seconds(duration)
        await self._installed_here("clock.advance()").timeline.waiter_for(length)

    def patch_time(self, *, datetime: bool = False) -> PatchedTime:
        """Let the functions of `time` give virtual time on this loop's thread, until the end.

        `time()`, `monotonic()` and `perf_counter()`, and their `_ns` twins, go on from
        where they are, and move with the clock; other threads see real time. Ends with
        the clock, or at the end of `with clock.patch_time(): ...`.

        Args:
            datetime: Patch `datetime.now()` and its kin too: that takes time-machine
                (`pip install time-machine`) and holds for all threads.

        Returns:
            A context manager, in force at once.

        Raises:
            ClockError: Without time-machine, or if the clock is not installed on the running loop.

        Example:
            ```python
            with clock.patch_time():
                await clock.advance("1h")
            ```
        """
        on = self._installed_here("clock.patch_time()")
        if self._patched is not None:
            self._patched.restore()
        self._patched = PatchedTime(on.timeline, datetime=datetime)
        return self._patched

    def _installed_here(self, verb: str) -> _Installation:
        if self._installation is None or not self._installation.is_here():
            raise ClockError(f"{verb} needs the clock on the running loop: call clock.install()")
        return self._installation

    def _deadlock(self, chains: str) -> None:
        report = (
            f"Deadlock at virtual time {self.time()} s: no task can run, no timer is set, and no "
            "thread or I/O is at work, so nothing will ever happen again.\n"
            f"{chains}\n"
            "What these tasks wait for has to be set, released or cancelled by somebody; "
            "or give the wait a timeout."
        )
        if self.on_deadlock is None:
            raise ClockError(report)
        self.on_deadlock(report)

    def __repr__(self) -> str:
        state = "installed" if self.installed else "not installed"
        return f"<VirtualClock {state}, {self.time()} s, {len(self.notes)} notes>"


def _running_owner() -> Any:
    """The running asyncio loop, or trio's runner. Raises `ClockError` without either."""
    loop = asyncio._get_running_loop()
    if loop is not None:
        return loop
    if not in_trio():
        raise ClockError(_NO_LOOP)
    from .on_trio import running_runner

    return running_runner()
