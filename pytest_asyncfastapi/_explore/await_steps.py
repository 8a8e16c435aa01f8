"""Counts how often a coroutine suspends, and calls a function at one of these suspensions.

Works on asyncio and trio: it passes on what the coroutine yields to its loop, and
what the loop sends or throws back. Must not depend on requests.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from .._core.await_chains import frames_of, user_lines
from .._core.force_terminate import close_coroutine, prevent_collection
from .._core.real_time import thread_time

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._core.findings import Location
    from .._core.frames import UserCode

_MAX_COUNT = 100_000  # suspensions after which counting on would only cost time
_MAX_LOOKS = 50  # cancellations in a row whose lines are recorded
_MAX_CANCELS = 500  # cancellations, and
_MAX_CANCEL_CPU = 1.0  # seconds of CPU time since the first, after which it will not end by itself


class CoroutineStepper:
    """Awaits a coroutine; `count` is how often it has suspended.

    `cut_off` collects the user's lines at which a second cancellation met it: there
    it was cleaning up after the first, and will not finish. `cancelled` counts the
    cancellations. `places` has a number for each suspension, equal for those at the same place,
    if `places=True`. A coroutine that catches them all is `hung`: it is awaited no longer, and
    left where it is for `end_by_force()`.
    """

    def __init__(self, coroutine: Any, user_code: UserCode, *, places: bool = False) -> None:
        self._coroutine = coroutine
        self._user_code = user_code
        self._at = 0
        self._then: Callable[[], None] | None = None
        self._looks = 0
        self.cancelled = 0
        self._first_cancel = 0.0
        self.hung = False
        self.count = 0
        self.cut_off: list[Location] = []
        self.places: list[int] | None = [] if places else None

    def call_at(self, step: int, then: Callable[[], None]) -> None:
        """Call `then` as the coroutine suspends for the `step`-th time."""
        self._at, self._then = step, then

    def where(self) -> Location | None:
        """The user's line at which it is suspended now."""
        lines = user_lines(self, self._user_code)
        return lines[-1] if lines else None

    def get_coro(self) -> Any:
        """As a task has it."""
        return self._coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, value = self._coroutine, None
        error: BaseException | None = None
        while True:
            try:
                yielded = coroutine.throw(error) if error is not None else coroutine.send(value)
            except StopIteration as stop:
                return stop.value
            finally:
                error = None  # else this frame and the error would keep each other
            self._suspended()
            try:
                value = yield yielded
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as thrown:
                error = thrown
            self._note_cancel(error, value)
            if self.cancelled > _MAX_CANCELS and self._is_hung():
                self.hung = True
                return None

    def _is_hung(self) -> bool:
        """A cleanup that waits for a database's thread meets thousands of cancellations too."""
        return thread_time() - self._first_cancel > _MAX_CANCEL_CPU

    def end_by_force(self) -> None:
        """End the coroutine, which is not awaited any more."""
        if not close_coroutine(self._coroutine):
            prevent_collection(self._coroutine)

    def _suspended(self) -> None:
        self.count = min(self.count + 1, _MAX_COUNT)
        if self.places is not None and len(self.places) < self.count:
            self.places.append(self._place())
        if self.count == self._at and self._then is not None:
            then, self._then = self._then, None
            then()

    def _place(self) -> int:
        """The same for each suspension that has the same lines above it, to the last library's."""
        return hash(tuple((id(frame.f_code), frame.f_lasti) for frame in frames_of(self)))

    def _note_cancel(self, error: BaseException | None, value: Any) -> None:
        if error is None:
            error = getattr(value, "error", None)  # trio sends an outcome
        if not isinstance(error, cancelled()):
            self._looks = 0
            return
        if not self.cancelled:
            self._first_cancel = thread_time()
        self.cancelled += 1
        if self.cancelled == 1 or self._looks >= _MAX_LOOKS:
            return
        # A cancel scope delivers its cancellation in each step, for as long as it takes.
        self._looks += 1
        line = self.where()
        if line is not None and line not in self.cut_off:
            self.cut_off.append(line)

    def __repr__(self) -> str:
        return f"<CoroutineStepper {self._coroutine!r}: {self.count} suspensions>"


def cancelled() -> tuple[type[BaseException], ...]:
    """What a cancellation is: asyncio's, and trio's where it is there."""
    trio = sys.modules.get("trio")
    return (asyncio.CancelledError,) if trio is None else (asyncio.CancelledError, trio.Cancelled)
