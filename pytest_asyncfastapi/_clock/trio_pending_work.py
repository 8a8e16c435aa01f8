"""What counts as real work on trio: the reasons why time must not jump now.

A thread job is pending for as long as its task is in `to_thread.run_sync`,
so from its submission to its delivery. I/O is what the descriptors are that
tasks wait for. `on_trio.py` decides what is done about it.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .._core.await_chains import frames_of
from .._core.real_time import perf_counter
from .pending_work import WaitReason, name_of
from .sockets import Descriptor, describe, is_local
from .threads import EXECUTOR, USER, WORKER, Threads

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

_THREADS = "trio._threads"
# Looking for the sockets of a run walks the whole heap.
_RESCAN = 1.0


class TrioTask:
    """A task of trio's, with the two methods that `await_chains` needs."""

    __slots__ = ("task",)

    def __init__(self, task: Any) -> None:
        self.task = task

    def get_name(self) -> str:
        """As shown in reports."""
        return str(self.task.name)

    def get_coro(self) -> Any:
        """Its outermost coroutine."""
        return self.task.coro


class TrioThreads(Threads):
    """Threads beside a trio run, by the token of the run that they work for."""

    def __init__(self, token: Any) -> None:
        super().__init__(None)
        self._token = token
        self.messages: set[int] = set()  # ids of those that tasks are working on

    def waits_for_loop(self, thread: threading.Thread) -> bool:
        """Is it blocked in `from_thread.run`, its message being worked on by a task?

        Read from the tasks: what the thread itself looks like says nothing in the
        moments before it has sent its message and after it got its answer.
        """
        if not self.messages:
            return False
        frame = self.frame_of(thread)
        while frame is not None:
            if frame.f_code.co_name == "_send_message_to_trio":
                return id(frame.f_locals.get("message_to_trio")) in self.messages
            frame = frame.f_back
        return False

    def works_for_us(self, thread: threading.Thread) -> bool:
        """Has this worker of trio's cache a job of this run at this moment?"""
        frame = self.frame_of(thread)
        while frame is not None:
            if frame.f_code.co_name == "worker_fn" and frame.f_globals["__name__"] == _THREADS:
                return any(value is self._token for value in frame.f_locals.values())
            frame = frame.f_back
        return False


class TrioPendingWork:
    """Watches one trio run for work that is done outside it."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.threads = TrioThreads(runner.current_trio_token())
        self._sockets: WeakSet[Any] = WeakSet()
        self._scanned_at: dict[Descriptor, float] = {}
        self.descriptors: list[Descriptor] = []

    def find(self) -> WaitReason | None:
        """The first reason found why the run is not idle, or None."""
        # Which tasks have run since the last look is not to be seen from here.
        self.threads.is_idle.on_loop_ran()
        threads = self.threads.others()
        work = self._thread_job(threads) if threads else None
        if work is not None:
            return work
        self.descriptors = self._waited_for()
        outside = self._outside() if self.descriptors else []
        if outside:
            return WaitReason(f"I/O on descriptor {outside[0].fd}, which a task waits for")
        return self._unknown_thread(threads)

    # --- threads ----------------------------------------------------------------

    def _thread_job(self, threads: list[tuple[threading.Thread, str]]) -> WaitReason | None:
        jobs, self.threads.messages = _jobs_and_messages(self._runner.tasks)
        if not jobs:
            return None
        workers = [thread for thread, owner in threads if owner == WORKER]
        busy = [thread for thread in workers if not self.threads.waits_for_loop(thread)]
        if len(jobs) <= len(workers) - len(busy):
            return None
        for thread in busy:
            if self.threads.works_for_us(thread):
                return WaitReason(self.threads.job_of(thread))
        return WaitReason(f"{name_of(jobs[0])} in a worker thread")

    def _unknown_thread(self, threads: list[tuple[threading.Thread, str]]) -> WaitReason | None:
        for thread, owner in threads:
            if owner == WORKER:
                # A job that was abandoned: no task waits for it, but it may still call back.
                busy = self.threads.works_for_us(thread)
            else:
                busy = self.threads.is_new(thread) and self.threads.is_busy(thread, owner)
            if busy and not self._is_passive(thread) and not self.threads.is_idle(thread):
                return WaitReason(self.threads.job_of(thread), is_unbounded=True)
        return None

    def _is_passive(self, thread: threading.Thread) -> bool:
        return self.threads.waits_for_loop(thread) or self.threads.runs_a_loop(thread)

    # --- I/O --------------------------------------------------------------------

    def _waited_for(self) -> list[Descriptor]:
        """Every descriptor that a task waits for, but for the run's own wake-up pipe."""
        registered = getattr(self._runner.io_manager, "_registered", ())
        if len(registered) <= 1:
            return []
        own = self._runner.entry_queue.wakeup.wakeup_sock.fileno()
        # epoll's are numbers, kqueue's are pairs of a number and a filter.
        fds = {key if isinstance(key, int) else key[0] for key in registered}
        return [describe(fd, USER) for fd in sorted(fds - {own})]

    def _outside(self) -> list[Descriptor]:
        """Those that another process or thread may write to, listeners left out."""
        found = []
        for one in self.descriptors:
            if not one.listens and not self._is_within(one):
                found.append(one)
        return found

    def _is_within(self, one: Descriptor) -> bool:
        """Is the other end a socket of this run? A socket without a waiter is not registered."""
        if not _may_be_ours(one):
            return False
        if is_local(one, self._known()):
            return True
        now = perf_counter()
        if now - self._scanned_at.get(one, -_RESCAN) < _RESCAN:
            return False
        self._scanned_at[one] = now
        socket_type: Any = __import__("trio").socket.SocketType
        self._sockets.update(item for item in gc.get_objects() if isinstance(item, socket_type))
        return is_local(one, self._known())

    def _known(self) -> list[Descriptor]:
        fds = {sock.fileno() for sock in self._sockets} - {-1}
        known = {one.fd: one for one in self.descriptors}
        return [known.get(fd) or describe(fd, USER) for fd in fds | set(known)]

    # --- is it worth waiting when there is no timer at all? -----------------------

    def has_listener(self) -> bool:
        """A server or a signal receiver waits for the outside forever, rightly."""
        return any(one.listens for one in self.descriptors) or any(
            frame.f_globals.get("__name__") == "trio._signals"
            for task in self._runner.tasks
            for frame in frames_of(TrioTask(task))[-6:]
        )

    def has_open_io(self) -> bool:
        """A descriptor or a younger thread that might still bring an event."""
        return bool(self.descriptors) or any(
            self.threads.is_new(thread)
            and owner not in (WORKER, EXECUTOR)
            and not self._is_passive(thread)
            for thread, owner in self.threads.others()
        )


def _jobs_and_messages(tasks: Iterable[Any]) -> tuple[list[Any], set[int]]:
    """The functions in worker threads now, and the messages of `from_thread` in progress."""
    jobs: list[Any] = []
    messages: set[int] = set()
    for task in tasks:
        frames = frames_of(TrioTask(task))
        for number, frame in enumerate(frames):
            if frame.f_globals.get("__name__") != _THREADS:
                continue
            inner = frames[number + 1].f_code.co_name if number + 1 < len(frames) else ""
            if frame.f_code.co_name == "to_thread_run_sync":
                if inner != "acquire_on_behalf_of":
                    jobs.append(frame.f_locals.get("sync_fn"))
            elif frame.f_code.co_name in ("run", "run_system"):
                messages.add(id(frame.f_locals.get("self")))
    return jobs, messages


def _may_be_ours(one: Descriptor) -> bool:
    """Does it lead to this machine, or, as a Unix socket, to this process?"""
    if one.own_process:
        return True
    return (
        isinstance(one.peer, tuple) and isinstance(one.local, tuple) and one.peer[0] == one.local[0]
    )
