"""How much of the thread pools a test used, and who had to wait for a thread.

Two pools: anyio's (trio's) default limiter, 40 threads, in which FastAPI runs
plain `def` endpoints and dependencies; and asyncio's default executor, behind
`asyncio.to_thread`. Times are seconds on the clock in force.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from .._core.activity import ACTIVITY
from .._core.current_loop import now
from .._core.findings import Finding
from .thread_report import PoolReport, Wait
from .thread_targets import location_of_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import ThreadPoolExecutor

    from .._core.findings import Location
    from .._core.frames import UserCode
    from .._core.patches import Patches

LIMITER = "thread limiter"
EXECUTOR = "asyncio's default executor"


class Job:
    """A job of the executor. Over once it ran, or once its future was cancelled."""

    __slots__ = ("future", "ran", "rank")

    def __init__(self) -> None:
        self.ran: bool = False
        self.future: Any = None
        self.rank: int = 0

    @property
    def over(self) -> bool:
        """Does it need a thread no longer?"""
        return self.ran or (self.future is not None and self.future.done())


class PoolUse:
    """The same while the test runs; updated from the loop and from the pool's own threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size: float = 0.0
        self.calls: int = 0
        self.peak: int = 0
        self.queued: int = 0
        self.longest_queue: int = 0
        self.longest_wait: float = 0.0
        self.waiters: Counter[str] = Counter()
        self.waits: list[Wait] = []
        self.where: Location | None = None
        self._jobs: list[Job] = []
        self._waiting = 0
        self._lock = threading.Lock()

    def on_request(self, size: float, running: int, find: Callable[[], Location | None]) -> bool:
        """A call requests a thread; returns whether it has to wait. `find` gives its line."""
        with self._lock:
            self.calls += 1
            self.size = size
            if running < size:
                return False
            self.queued += 1
            self._waiting += 1
            self.longest_queue = max(self.longest_queue, self._waiting)
            self.waiters[ACTIVITY.get()] += 1
            self.where = self.where or find()
            return True

    def on_acquired(self, waited: float | None, running: int) -> None:
        """The call has its thread (or has given up), after a wait or at once (None)."""
        with self._lock:
            self.peak = max(self.peak, running)
            if waited is not None:
                self._waiting -= 1
                self.longest_wait = max(self.longest_wait, waited)

    def submit(self, job: Job, size: int, find: Callable[[], Location | None]) -> bool:
        """A job goes to the executor; returns whether it has to wait for a thread."""
        self._jobs = [one for one in self._jobs if not one.over]
        waits = self.on_request(size, len(self._jobs), find)
        job.rank = min(len(self._jobs) + 1, size)
        self._jobs.append(job)
        return waits

    def add(self, other: PoolUse) -> None:
        """Count what another one has counted, of the same pool at another time."""
        self.size = other.size or self.size
        self.calls += other.calls
        self.queued += other.queued
        self.peak = max(self.peak, other.peak)
        self.longest_queue = max(self.longest_queue, other.longest_queue)
        self.longest_wait = max(self.longest_wait, other.longest_wait)
        self.waiters.update(other.waiters)
        self.waits += other.waits
        self.where = self.where or other.where

    def snapshot(self) -> PoolReport:
        """The use so far as a fact."""
        return PoolReport(
            name=self.name,
            size=self.size,
            calls=self.calls,
            peak=self.peak,
            queued=self.queued,
            longest_queue=self.longest_queue,
            longest_wait=self.longest_wait,
            waiters=dict(self.waiters),
            waits=tuple(self.waits),
            where=self.where,
        )


class Threads:
    """The thread pools of one test, as the fixture `threads` shows them."""

    def __init__(self) -> None:
        self._pools: dict[str, PoolUse] = {}

    def pool(self, name: str) -> PoolUse:
        """The use of one pool, made at its first call.

        Args:
            name: The name of the pool.

        Returns:
            What is counted of it.
        """
        return self._pools.setdefault(name, PoolUse(name))

    def add(self, other: Threads) -> None:
        """Add what was counted apart for a while.

        Args:
            other: The counts to add.
        """
        for name, pool in other._pools.items():
            self.pool(name).add(pool)

    @property
    def pools(self) -> tuple[PoolReport, ...]:
        """Every pool that was used in this test."""
        return tuple(pool.snapshot() for pool in self._pools.values())

    @property
    def peak(self) -> int:
        """The most threads in use at one time, of the pool that used most."""
        return max((pool.peak for pool in self.pools), default=0)

    @property
    def queued(self) -> int:
        """How many calls had to wait for a thread."""
        return sum(pool.queued for pool in self.pools)

    @property
    def longest_wait(self) -> float:
        """The longest wait for a thread, in seconds on the clock in force."""
        return max((pool.longest_wait for pool in self.pools), default=0.0)

    def assert_not_exhausted(self) -> None:
        """Fail if a call had to wait because every thread was taken.

        Raises:
            AssertionError: With the pools and how many calls waited.

        Example:
            ```python
            threads.assert_not_exhausted()
            ```
        """
        bad = [str(pool) for pool in self.pools if pool.queued]
        if bad:
            raise AssertionError(f"the thread pool was exhausted: {'; '.join(bad)}. Fix: {REMEDY}")

    def __repr__(self) -> str:
        return f"<Threads: {'; '.join(map(str, self.pools)) or 'none used'}>"


REMEDY = (
    "make the endpoint `async def` with an async library, shorten what it does in the thread, or "
    "raise the limit in the lifespan (anyio.to_thread.current_default_thread_limiter()"
    ".total_tokens = 100)"
)


def findings(reports: Iterable[PoolReport], mode: str, test: str) -> list[Finding]:
    """A finding for each pool in which calls had to wait."""
    return [
        Finding(
            kind="threads",
            title=f"thread pool exhausted: {pool.queued} call{'s' * (pool.queued != 1)} waited for "
            f"one of the {pool.size:g} threads of {_article(pool.name)}",
            where=pool.where,
            activity=next(iter(pool.waiters), ""),
            why="every other endpoint that needs a thread waits behind them",
            evidence=str(pool),
            remedy=REMEDY,
            severity="error" if mode == "fail" else "warning",
            test=test,
            data={"pool": pool.name, "queued": pool.queued, "longest_wait": pool.longest_wait},
        )
        for pool in reports
        if pool.queued
    ]


def _article(name: str) -> str:
    return name if name == EXECUTOR else f"the {name}"


# Where the pools are instrumented


class Observer(Protocol):
    """The observer of a test, as far as it concerns thread pools."""

    user_code: UserCode

    def pool(self, name: str) -> PoolUse:
        """The use of the thread pool of this name."""
        ...


class Notifier(Protocol):
    """Gives the observer of thread pools."""

    @property
    def observer(self) -> Observer | None:
        """The observer that is notified."""
        ...


def wrap(patches: Patches, notifier: Notifier) -> None:
    """Instrument the limiters that are imported, and the executors of loops."""
    patches.wrap(asyncio.BaseEventLoop, "run_in_executor", lambda o: _submitting(o, notifier))
    backend: Any = sys.modules.get("anyio._backends._asyncio")
    if backend is not None:
        patches.wrap(
            backend.CapacityLimiter,
            "acquire_on_behalf_of",
            lambda original: _acquiring(original, notifier, _anyio_default),
        )
    trio: Any = sys.modules.get("trio")
    if trio is not None and hasattr(trio, "to_thread"):
        patches.wrap(
            trio.CapacityLimiter,
            "acquire_on_behalf_of",
            lambda original: _acquiring(original, notifier, _trio_default),
        )


def _anyio_default() -> Any:
    backend: Any = sys.modules["anyio._backends._asyncio"]
    return backend.AsyncIOBackend.current_default_thread_limiter()


def _trio_default() -> Any:
    return sys.modules["trio"].to_thread.current_default_thread_limiter()


def _acquiring(original: Any, notifier: Notifier, default: Any) -> Any:
    async def acquire_on_behalf_of(limiter: Any, borrower: Any) -> Any:
        observer = notifier.observer
        if observer is None or limiter is not default():
            return await original(limiter, borrower)
        pool = observer.pool(LIMITER)
        find = functools.partial(location_of_job, sys._getframe(), observer.user_code)
        waits = pool.on_request(limiter.total_tokens, limiter.borrowed_tokens, find)
        del find  # it holds this frame
        since = now()
        try:
            return await original(limiter, borrower)
        finally:
            until = now()
            pool.on_acquired(until - since if waits else None, limiter.borrowed_tokens)
            if waits:
                pool.waits.append(Wait(ACTIVITY.get(), since, until))

    return acquire_on_behalf_of


def _submitting(original: Any, notifier: Notifier) -> Any:
    def run_in_executor(loop: Any, executor: Any, func: Any, *args: Any) -> Any:
        observer = notifier.observer
        if executor is not None or observer is None:
            return original(loop, executor, func, *args)
        pool, mine = observer.pool(EXECUTOR), Job()
        find = functools.partial(location_of_job, sys._getframe(), observer.user_code, func)
        waits = pool.submit(mine, _size(loop), find)
        del find  # it holds this frame
        since, who = loop.time(), ACTIVITY.get() if waits else ""

        def job(*given: Any) -> Any:
            # On the pool's thread. Virtual time stands still while a thread works.
            until = loop.time()
            pool.on_acquired(until - since if waits else None, mine.rank)
            if waits:
                pool.waits.append(Wait(who, since, until))
            try:
                return func(*given)
            finally:
                mine.ran = True

        try:
            mine.future = original(loop, None, job, *args)
        except BaseException:
            mine.ran = True
            raise
        return mine.future

    return run_in_executor


def _size(loop: Any) -> int:
    executor: ThreadPoolExecutor | None = getattr(loop, "_default_executor", None)
    if executor is None:
        # As ThreadPoolExecutor will choose for the one that is about to be made.
        processors = getattr(os, "process_cpu_count", os.cpu_count)()
        return min(32, (processors or 1) + 4)
    return int(getattr(executor, "_max_workers", sys.maxsize))
