"""What counts as real work: the reasons why time must not jump now.

Worker jobs are counted at submission and released at delivery, both on the
loop's thread. A library with a thread or a socket of its own (aiosqlite,
asyncpg) is recognised by the futures that it creates and that a task awaits.
`selector.py` decides what is done about it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.await_chains import frames_of
from .._core.held_bytes import AT_REST
from .sockets import Descriptor, Sockets, waiting_owner, waits_outside
from .threads import ASYNCIO, EXECUTOR, STDLIB, TOOLING, USER, WORKER, Threads, owner_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_THEIR_OWN = ("asyncio", "anyio", "pytest_asyncfastapi")


@dataclass(frozen=True, slots=True)
class WaitReason:
    """A reason to wait. `is_unbounded`: it may as well never end, so time runs 1:1."""

    name: str
    is_unbounded: bool = False


class PendingWork:
    """Watches one loop for work that is done outside it."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.threads = Threads(loop)
        self.sockets = Sockets(loop)
        self._jobs: dict[asyncio.Future[Any], str] = {}
        self._foreign: weakref.WeakKeyDictionary[asyncio.Future[Any], str] = (
            weakref.WeakKeyDictionary()
        )
        self._creators: set[str] = set()
        self.descriptors: list[Descriptor] = []

    # --- called by the loop -----------------------------------------------------

    def watch_create_future(
        self, stock: Callable[[], asyncio.Future[Any]]
    ) -> Callable[[], asyncio.Future[Any]]:
        """Wrap `loop.create_future`: remember futures that asyncio did not make itself."""

        def create_future() -> asyncio.Future[Any]:
            future = stock()
            caller = sys._getframe(1)
            module = caller.f_globals.get("__name__") or ""
            if module.partition(".")[0] not in _THEIR_OWN:
                self._add_foreign(future, module)
            elif module == "asyncio.futures" and caller.f_code.co_name == "wrap_future":
                self._jobs[future] = "a concurrent.futures.Future"
            return future

        return create_future

    def _add_foreign(self, future: asyncio.Future[Any], module: str) -> None:
        owner = owner_of(module)
        self._foreign[future] = owner
        self._creators.add(owner)

    def watch_run_in_executor(self, stock: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap `loop.run_in_executor`: a job counts from its submission."""

        def run_in_executor(executor: Any, func: Callable[..., Any], *args: Any) -> Any:
            future = stock(executor, func, *args)
            self._jobs[future] = f"{name_of(func)} in an executor"
            return future

        return run_in_executor

    # --- the question -----------------------------------------------------------

    def find(self) -> WaitReason | None:
        """The first reason found why the loop is not idle, or None."""
        threads = self.threads.others()
        work = self._executor_job(threads) or self._anyio_job()
        if work is not None:
            return work
        self.descriptors = self.sockets.descriptors()
        outside = self.sockets.outside(self.descriptors) if self.descriptors else []
        if not threads and not outside:
            return None
        work = self._outside_work(threads, outside)
        if work is None or not threads:
            return work
        # Something is waited for; a thread that waits for a job itself will not bring it.
        active = [one for one in threads if not self.threads.is_idle(one[0])]
        return work if len(active) == len(threads) else self._outside_work(active, outside)

    def _outside_work(
        self, threads: list[tuple[threading.Thread, str]], outside: list[Descriptor]
    ) -> WaitReason | None:
        return (
            self._awaited_future(threads, outside)
            or self._awaiting_task(threads, outside)
            or self._unknown_thread(threads)
        )

    def _executor_job(self, threads: list[tuple[threading.Thread, str]]) -> WaitReason | None:
        if not self._jobs:
            return None
        # Done on the loop's thread: that is the moment of delivery.
        self._jobs = {future: name for future, name in self._jobs.items() if not future.done()}
        if not self._jobs:
            return None
        blocked = sum(
            owner == EXECUTOR and self.threads.waits_for_loop(thread) for thread, owner in threads
        )
        if len(self._jobs) <= blocked:
            return None
        return WaitReason(next(iter(self._jobs.values())))

    def _anyio_job(self) -> WaitReason | None:
        for worker in busy_anyio_workers(self._loop):
            if not self.threads.waits_for_loop(worker):
                return WaitReason(self.threads.job_of(worker))
        return None

    def _awaited_future(
        self, threads: list[tuple[threading.Thread, str]], outside: list[Descriptor]
    ) -> WaitReason | None:
        for future, creator in list(self._foreign.items()):
            if future.done() or not getattr(future, "_callbacks", None):
                continue
            if self._may_be_set_outside(creator, threads, outside):
                return WaitReason(f"a future of {creator or 'your own code'} that is awaited")
        return None

    def _may_be_set_outside(
        self,
        creator: str,
        threads: list[tuple[threading.Thread, str]],
        outside: list[Descriptor],
    ) -> bool:
        """Is there a thread or a descriptor which could complete this future?"""
        if creator == TOOLING:
            return False
        for one in outside:
            # An idle database connection does not complete another package's future.
            if one.owner == creator or (creator != USER and one.fd not in AT_REST):
                return True
        for thread, owner in threads:
            if owner in (EXECUTOR, WORKER, ASYNCIO) or self._is_passive(thread):
                continue
            if owner == USER or creator != USER:
                return True
            # A package that makes futures of its own (aiosqlite) answers through
            # those, not through the user's.
            if self.threads.is_new(thread) and owner not in self._creators:
                return True
        return False

    def _awaiting_task(
        self, threads: list[tuple[threading.Thread, str]], outside: list[Descriptor]
    ) -> WaitReason | None:
        owners = {one.owner for one in outside}
        owners |= {owner for _, owner in threads if owner != USER}
        if not outside and owners <= {EXECUTOR, WORKER}:
            return None
        for task in asyncio.all_tasks(self._loop):
            if not _waits_for_a_future(task):
                continue
            frames = frames_of(task)
            if waits_outside(frames, outside) or waiting_owner(frames) in owners:
                where = frames[-1].f_code.co_qualname
                return WaitReason(f"task {task.get_name()!r}, which waits in {where}()")
        return None

    def _unknown_thread(self, threads: list[tuple[threading.Thread, str]]) -> WaitReason | None:
        for thread, owner in threads:
            # A package that makes futures of its own answers through those.
            if owner in (WORKER, ASYNCIO) or owner in self._creators - {USER}:
                continue
            if not self.threads.is_new(thread) or not self.threads.is_busy(thread, owner):
                continue
            if not self._is_passive(thread):
                return WaitReason(self.threads.job_of(thread), is_unbounded=True)
        return None

    def _is_passive(self, thread: threading.Thread) -> bool:
        """Does it wait for this loop, or is it a loop of its own?"""
        return self.threads.waits_for_loop(thread) or self.threads.runs_a_loop(thread)

    def thread_jobs(self) -> list[tuple[Any, str]]:
        """Every job that a thread has not delivered yet: its future or its worker, and its name.

        In the order of submission within each kind. Called after every step of a loop
        that explores, so it looks at no thread's frames.
        """
        jobs: list[tuple[Any, str]] = []
        if self._jobs:
            self._jobs = {future: name for future, name in self._jobs.items() if not future.done()}
            jobs.extend(self._jobs.items())
        for worker in busy_anyio_workers(self._loop):
            jobs.append((worker, f"a job in {worker.name!r}"))
        if self._creators - {USER, TOOLING, STDLIB}:
            owners = {owner for _, owner in self.threads.others()}
            for future, creator in list(self._foreign.items()):
                if creator in owners and creator and not future.done() and future._callbacks:
                    jobs.append((future, f"a future of {creator}"))
        return jobs

    def waits_for_loop(self, key: Any, *, called: bool) -> bool:
        """Is this one of `thread_jobs()` blocked until the loop has run something for it?

        `called`: another thread has handed the loop a plain function that has not run yet
        (`from_thread.run_sync`), and may wait for its result.
        """

        def waits(thread: threading.Thread) -> bool:
            return self.threads.waits_for_loop(thread) or (
                called and self.threads.waits_for_result(thread)
            )

        if not isinstance(key, asyncio.Future):
            return waits(key)
        blocked = sum(
            owner == EXECUTOR and waits(thread) for thread, owner in self.threads.others()
        )
        return key in self._jobs and blocked >= len(self._jobs)

    # --- is it worth waiting when there is no timer at all? -----------------------

    def has_listener(self) -> bool:
        """A server or a signal handler waits for the outside forever, rightly."""
        return bool(getattr(self._loop, "_signal_handlers", None)) or any(
            one.listens for one in self.descriptors
        )

    def has_open_io(self) -> bool:
        """A descriptor or a younger thread that might still bring an event."""
        return bool(self.descriptors) or any(
            self.threads.is_new(thread) and not self._is_parked(thread, owner)
            for thread, owner in self.threads.others()
        )

    def _is_parked(self, thread: threading.Thread, owner: str) -> bool:
        if owner == EXECUTOR:
            return not self.threads.is_busy(thread, owner)
        return owner == WORKER or self._is_passive(thread) or self.threads.is_idle(thread)


def busy_anyio_workers(loop: Any) -> list[Any]:
    """Workers of anyio's thread pool that hold a job, from its queue to its delivery.

    anyio has no public way to ask: its workers minus its idle workers are two
    private run variables of the loop. A test pins them.
    """
    backend: Any = sys.modules.get("anyio._backends._asyncio")
    lowlevel: Any = sys.modules.get("anyio.lowlevel")
    if backend is None or lowlevel is None:
        return []
    run_vars = lowlevel._run_vars.get(loop)
    if not run_vars:
        return []
    workers = run_vars.get(backend._threadpool_workers, ())
    idle = run_vars.get(backend._threadpool_idle_workers, ())
    if len(workers) == len(idle):
        return []
    resting = set(idle)
    return [worker for worker in workers if worker not in resting]


def _waits_for_a_future(task: asyncio.Task[Any]) -> bool:
    """Waits for a bare future: not for a task or a gather, which are looked at themselves."""
    waiter = getattr(task, "_fut_waiter", None)
    return type(waiter) is asyncio.Future and not waiter.done()


def name_of(func: Any) -> str:
    """A submitted job in words, below the wrappers of asyncio and anyio."""
    while isinstance(func, functools.partial):
        # `asyncio.to_thread` submits partial(context.run, func).
        inner = func.func
        is_context_run = getattr(inner, "__name__", "") == "run" and func.args
        func = func.args[0] if is_context_run else inner
    return f"{getattr(func, '__qualname__', None) or type(func).__qualname__}()"
