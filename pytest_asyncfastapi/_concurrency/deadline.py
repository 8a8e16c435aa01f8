"""The deadline of a test's body, in real seconds: the await chains, then the end.

A thread waits for the deadline, so that it comes under virtual time and in a
loop that hangs too. At the deadline the body is cancelled; one that swallows
that is not stepped any more; one that never gives the loop back is shown from
outside, and interrupted where the interpreter can.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._core import waiters
from .._core.await_chains import describe_tasks, describe_trio_tasks
from .._core.base_error import AsyncFastAPIError
from .._core.force_terminate import prevent_collection
from .._core.frames import is_ours
from .._core.units import show

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

_GRACE = 1.0  # seconds for a body to end once it was cancelled, and for a loop to answer
_MAX_CANCELS = 5  # cancellations


class DeadlineInterrupt(BaseException):
    """Thrown into a thread that does not give its loop back."""


class DeadlinePassed(AsyncFastAPIError):
    """The body did not end in time; the text has the await chains."""


class Deadline:
    """One deadline. `dump` takes what has to be shown at once, since nothing else may come."""

    def __init__(self, seconds: float, test: str, dump: Callable[[str], None]) -> None:
        self.seconds = seconds
        self.test = test
        self.report = ""
        self._dump = dump
        self._over = threading.Event()
        self._reached = threading.Event()
        self._thread = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._tries = 0

    async def bound(self, body: Awaitable[Any]) -> Any:
        """Await `body`; raises `DeadlinePassed` when it has not ended in time."""
        self._thread = threading.get_ident()
        if asyncio._get_running_loop() is not None:
            return await self._on_asyncio(body)
        return await self._on_trio(body)

    async def _on_asyncio(self, body: Awaitable[Any]) -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._loop = loop
        cancelled = task.cancelling()

        def expire() -> None:
            if not self._over.is_set():
                self._on_deadline(lambda: describe_tasks(loop, of_users=True))
                cancel()

        def cancel() -> None:
            self._tries += 1
            waiters.cancel(task)
            loop_call_later(_GRACE, again)

        def again() -> None:
            if not self._over.is_set() and self._tries < _MAX_CANCELS:
                cancel()

        def loop_call_later(delay: float, callback: Callable[[], None]) -> None:
            # In real time, which is not the loop's where that is virtual.
            def wait_then_call() -> None:
                if not self._over.wait(delay) and not loop.is_closed():
                    _if_open(lambda: loop.call_soon_threadsafe(callback))

            threading.Thread(
                target=wait_then_call, daemon=True, name="asyncfastapi-deadline"
            ).start()

        self._watch(lambda: loop.call_soon_threadsafe(expire))
        try:
            result = await _SteppedBody(body, self._given_up)
        except BaseException as error:
            self._end()
            self._fail_if_passed(error, task, cancelled)
            raise
        self._end()
        self._fail_if_passed(None, task, cancelled)
        return result

    def _fail_if_passed(
        self, error: BaseException | None, task: asyncio.Task[Any], cancelled: int
    ) -> None:
        if not self.report:
            return
        while task.cancelling() > cancelled:
            task.uncancel()
        ours = isinstance(error, (asyncio.CancelledError, DeadlineInterrupt, _BodyGivenUp))
        raise DeadlinePassed(self.report) from (None if ours else error)

    async def _on_trio(self, body: Awaitable[Any]) -> Any:
        import trio

        token = trio.lowlevel.current_trio_token()
        result: Any = None
        failed: BaseException | None = None
        try:
            with trio.CancelScope() as scope:

                def expire() -> None:
                    if not self._over.is_set():
                        self._on_deadline(describe_trio_tasks)
                        scope.cancel()

                self._watch(lambda: token.run_sync_soon(expire))
                result = await _SteppedBody(body, self._given_up_on_trio)
        except BaseException as error:
            failed = error
        self._end()
        if self.report:
            ours = isinstance(failed, (trio.Cancelled, DeadlineInterrupt, _BodyGivenUp))
            raise DeadlinePassed(self.report) from (None if ours else failed)
        if failed is not None:
            raise failed
        return result

    def _given_up(self) -> bool:
        """Has the body swallowed every cancellation?"""
        return self._tries >= _MAX_CANCELS

    def _given_up_on_trio(self) -> bool:
        # Trio cancels again at each checkpoint: what comes back so often does not want to end.
        if self.report:
            self._tries += 1
        return self._tries >= 100 * _MAX_CANCELS

    def _on_deadline(self, describe: Callable[[], str]) -> None:
        """The deadline has reached the loop: write the await chains into the report, once."""
        self._reached.set()
        if self.report:
            return
        self.report = (
            f"{self._head()}: it was cancelled.\n{describe()}\n"
            "Fix: give the wait a timeout of its own (asyncio.timeout, anyio.fail_after), or raise "
            "asyncfastapi_timeout."
        )

    def _head(self) -> str:
        return (
            f"{self.test}: the test's body did not end within {show(self.seconds)} "
            "(asyncfastapi_timeout)"
        )

    # The thread that waits

    def _watch(self, wake_up: Callable[[], object]) -> None:
        def wait() -> None:
            if self._over.wait(self.seconds):
                return
            _if_open(wake_up)
            if not self._reached.wait(_GRACE) and not self._over.is_set():
                self._interrupt_thread()

        threading.Thread(target=wait, daemon=True, name="asyncfastapi-deadline").start()

    def _interrupt_thread(self) -> None:
        """The loop does not answer: show where its thread is, and interrupt it there."""
        frame = sys._current_frames().get(self._thread)
        stack = _step_of(frame)
        del frame
        with self._lock:
            if self._over.is_set() or self._reached.is_set():
                return
            self.report = (
                f"{self._head()}, and its event loop is blocked: no await is reached, so nothing "
                f"can be cancelled. The thread was interrupted here:\n{stack}"
                "Fix: call nothing in a coroutine that waits or computes without an await."
            )
            self._dump(self.report + self._hint_for_pstree())
            # Seen by the interpreter between two instructions; a call in C ends first.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(DeadlineInterrupt)
            )

    def _hint_for_pstree(self) -> str:
        """What can be done as long as the process hangs."""
        if self._loop is None or sys.version_info < (3, 14):
            return ""
        command = f"python -m asyncio pstree {os.getpid()}"
        return f"\nIf it does not end, its tasks can be seen from outside: {command}"

    def _end(self) -> None:
        with self._lock:
            self._over.set()

    def __repr__(self) -> str:
        return f"<Deadline of {self.test}: {self.seconds} s>"


def _step_of(frame: Any) -> str:
    """The stack of the step that the loop takes, without the loop's own frames and ours."""
    taken: list[Any] = []
    while frame is not None and frame.f_code.co_name not in ("_run", "unrolled_run"):
        if not is_ours(frame.f_code.co_filename):
            taken.append((frame, frame.f_lineno))
        frame = frame.f_back
    return "".join(traceback.StackSummary.extract(reversed(taken)).format()[-12:])


class _BodyGivenUp(BaseException):
    """The body swallows its cancellation: it is not stepped any more."""


class _SteppedBody:
    """Steps a coroutine by hand, so that one that cannot be cancelled can be abandoned."""

    def __init__(self, body: Awaitable[Any], given_up: Callable[[], bool]) -> None:
        self._body: Any = body
        self._steps: Any = body.__await__()
        self._given_up = given_up

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> _SteppedBody:
        return self

    def __next__(self) -> Any:
        return self._unless_given_up(next(self._steps))

    def send(self, value: Any) -> Any:
        """The next step, with what the loop answers."""
        return self._unless_given_up(self._steps.send(value))

    def throw(self, *error: Any) -> Any:
        """The next step, with an exception."""
        return self._unless_given_up(self._steps.throw(*error))

    def close(self) -> None:
        """The end, from outside."""
        self._steps.close()

    # Whoever walks the await chain sees the body in our place.

    @property
    def cr_frame(self) -> Any:
        """The body's."""
        return getattr(self._body, "cr_frame", None)

    @property
    def cr_await(self) -> Any:
        """The body's."""
        return getattr(self._body, "cr_await", None)

    def _unless_given_up(self, trap: Any) -> Any:
        if not self._given_up():
            return trap
        _detach_future(trap)
        with suppress(BaseException):  # it swallows that too; its report is written already
            self._steps.close()
        if self.cr_frame is not None:
            prevent_collection(self._body)
        raise _BodyGivenUp


def _detach_future(trap: Any) -> None:
    """Clear the mark of a future that is yielded to the task; this one is not awaited."""
    if getattr(trap, "_asyncio_future_blocking", False):
        trap._asyncio_future_blocking = False


def _if_open(wake_up: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop is closed: the test has ended meanwhile
        wake_up()
