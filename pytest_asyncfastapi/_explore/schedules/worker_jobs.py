"""Jobs in worker threads while schedules are explored: atomic, and delivered in order.

After each step of the loop all jobs that it has submitted are run to their end,
one after the other, and only then is anything else scheduled: so what a thread
does happens at one point of the schedule, and its result comes in the order of
submission, independent of the machine's timing. Must not depend on policies.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

from ..._clock.pending_work import name_of
from ..._core.real_time import perf_counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._clock.pending_work import PendingWork
    from .ready_queue import ControlledReadyQueue

# A thread that waits for what only a later step does is abandoned after so many real seconds;
# its result then comes at any time.
PATIENCE = 1.0
_SLICE = 0.001


class WorkerJobs:
    """Waits between two steps until every job is done, or blocked on the loop itself."""

    def __init__(
        self, lanes: ControlledReadyQueue, work: PendingWork, note: Callable[[str], None]
    ) -> None:
        self._lanes = lanes
        self._work = work
        self._note = note
        self._arrived = threading.Event()
        self._delivered: dict[Any, tuple[Any, ...]] = {}  # a delivery that has not run: its keys
        self._calls: set[Any] = set()  # anything else that a thread has added, and has not run
        self._abandoned: set[Any] = set()  # not waited for any more
        self._blocked = False  # were all that run blocked, after the last step?
        self._gates: dict[Any, threading.Event] = {}  # of the jobs that have not begun
        self._order: list[Any] = []
        self.patience = PATIENCE
        self.gave_up = False  # was anything left to itself?
        lanes.arrived = self._on_arrival

    def _on_arrival(self, handle: Any) -> None:
        """Another thread has added `handle` to the loop; called on that thread."""
        first = (handle._args or (None,))[0]
        if isinstance(first, asyncio.Future):
            self._delivered[handle] = (getattr(handle._callback, "__self__", None), first)
        else:
            self._calls.add(handle)
        self._arrived.set()

    def on_run(self, handle: Any) -> None:
        """This handle is about to run: its delivery is not pending any more."""
        if self._delivered:
            self._delivered.pop(handle, None)
        if self._calls:
            self._calls.discard(handle)

    # Before the selector is polled

    def finish_jobs(self) -> None:
        """Run all jobs of the last step to their end."""
        jobs = self._work.thread_jobs()
        if not jobs and not self._gates:
            return
        self._order = [key for key, _ in jobs]
        began, waited = perf_counter(), self._blocked
        while True:
            self._arrived.clear()
            running = self._running(jobs)
            self._blocked = bool(running) and waited and self._all_blocked(running)
            if not running or self._blocked:
                if not self._gates:
                    return
                self._gates.pop(next(iter(self._gates))).set()
            elif perf_counter() - began > self.patience:
                self._abandon(running)
                continue
            self._arrived.wait(_SLICE)
            waited = True
            jobs = self._work.thread_jobs()

    def _running(self, jobs: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
        """The jobs that are at work: not delivered, not given up, their gate open."""
        done = {id(key) for keys in list(self._delivered.values()) for key in keys}
        return [
            (key, name)
            for key, name in jobs
            if id(key) not in done and key not in self._abandoned and key not in self._gates
        ]

    def _all_blocked(self, running: list[tuple[Any, str]]) -> bool:
        called = bool(self._calls)
        return all(self._work.waits_for_loop(key, called=called) for key, _ in running)

    def _abandon(self, running: list[tuple[Any, str]]) -> None:
        self.gave_up = True
        for key, name in running:
            self._abandoned.add(key)
            self._note(
                f"{name} was not done after {self.patience:g} s of real time, so the schedule "
                "went on without it: this order may not repeat"
            )

    # After the selector was polled

    def admit_results(self) -> None:
        """Let in what threads have added, in the order in which the jobs were submitted."""
        inbox = self._lanes.inbox
        if not inbox:
            return
        handles = []
        while inbox:
            handles.append(inbox.popleft())
        if len(handles) > 1:
            handles.sort(key=self._place)
        for handle in handles:
            self._abandoned.difference_update(self._delivered.get(handle, ()))
            self._lanes.add(handle)

    def _place(self, handle: Any) -> int:
        keys = self._delivered.get(handle, ())
        for place, job in enumerate(self._order):
            if any(job is key for key in keys):
                return place
        return len(self._order)

    # Executors: a job begins when the step that has submitted it is over

    def watch_run_in_executor(self, stock: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap `loop.run_in_executor`; processes are left alone, they share no state."""

        def run_in_executor(executor: Any, func: Callable[..., Any], *args: Any) -> Any:
            pool = concurrent.futures.ThreadPoolExecutor
            if executor is not None and not isinstance(executor, pool):
                return stock(executor, func, *args)
            gate = threading.Event()
            future = stock(executor, _gated(gate, func), *args)
            self._gates[future] = gate
            return future

        return run_in_executor

    def end(self) -> None:
        """Let every job go that has not begun."""
        for gate in self._gates.values():
            gate.set()
        self._gates.clear()

    def __repr__(self) -> str:
        return f"<WorkerJobs: {len(self._gates)} held, {len(self._abandoned)} left>"


def _gated(gate: threading.Event, func: Callable[..., Any]) -> Callable[..., Any]:
    def job(*args: Any) -> Any:
        gate.wait()
        return func(*args)

    job.__qualname__ = name_of(func).removesuffix("()")
    return job
