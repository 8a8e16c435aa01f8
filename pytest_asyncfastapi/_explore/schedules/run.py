"""One run of a scenario under one schedule, and its outcome.

Everything is restored after each: the loop, the state of `random`, and tasks
that the scenario has left behind. Must not depend on which schedules are tried.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..._clock import VirtualClock
from ..._core.base_error import AsyncFastAPIError
from ..._core.current_test import test_of_body
from ..._core.frames import UserCode
from .on_asyncio import ScheduledLoop, virtual_select
from .trace import Row, StepRecorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from ..._core.findings import Location
    from .policies import Changes, Offer
    from .token import Schedule

_SCENARIO = "the scenario"
_MAX_CANCELS = 3  # times that tasks which were left behind are cancelled
_NOT_ASYNCIO = (
    "explore_schedules() needs a test on asyncio: trio chooses the order of its tasks itself, "
    "and at random in every run. Fix: run this test on asyncio (anyio_backend = 'asyncio')."
)


class RunningTest(Protocol):
    """What the plugin gives a scenario inside a test; see `test_of_body()`."""

    user_code: UserCode

    def start_clock(self, *, required: bool = False) -> None:
        """Turn virtual time on."""

    def reseed(self, seed: int | None, now: float) -> None:
        """Draw the faults' delays from this seed, or from the run's own again."""

    def note(self, text: str) -> None:
        """Print this at the end of the run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run of one schedule. `changes`: what makes the same order of the ordinary one."""

    schedule: Schedule
    error: BaseException | None
    trace: str
    steps: int
    decisions: int
    changes: Changes
    rows: list[Row]
    offers: list[Offer]
    repeats: bool

    @property
    def failed(self) -> bool:
        """Did the scenario or its invariant fail?"""
        return self.error is not None


class Stuck(AsyncFastAPIError, AssertionError):
    """The scenario can never end under this schedule; the message has the await chains."""


class InvariantBroken(AsyncFastAPIError, AssertionError):
    """The invariant returned False."""


class Runner:
    """Runs a scenario under one schedule after another, in virtual time."""

    def __init__(
        self, scenario: Callable[[], Awaitable[Any]], invariant: Callable[[Any], Any] | None
    ) -> None:
        self._scenario = scenario
        self._invariant = invariant
        self._clock: VirtualClock | None = None
        self.notes: list[str] = []

    def __enter__(self) -> Runner:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(_NOT_ASYNCIO) from None
        self._test: RunningTest | None = test_of_body()
        self._users = UserCode(os.getcwd()) if self._test is None else self._test.user_code
        if virtual_select(self._loop) is None:
            if self._test is not None:
                self._test.start_clock(required=True)
            else:
                self._clock = VirtualClock()
                self._clock.install(self._loop)
        self._random = random.getstate()
        self._collects = gc.isenabled()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        random.setstate(self._random)
        if self._clock is not None:
            self._clock.uninstall()
        if self._test is not None:
            self._test.reseed(None, self._loop.time())
            for note in self.notes:
                self._test.note(note)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    async def run(self, schedule: Schedule, *, watched: bool = False) -> Outcome:
        """Run the scenario once; `watched` records the interleaving (`rows`)."""
        random.seed(schedule.seed)
        if self._test is not None:
            self._test.reseed(schedule.seed, self._loop.time())
        stuck: list[str] = []
        older = asyncio.all_tasks(self._loop)

        def on_stuck(text: str) -> None:
            stuck.append(text)
            if len(stuck) > _MAX_CANCELS + 2:
                raise Stuck(text)
            for one in (task,) if len(stuck) == 1 else asyncio.all_tasks(self._loop) - older:
                one.cancel()

        recorder = StepRecorder(self._users, older) if watched else None
        # The collector finalizes generators at moments that no seed knows of.
        gc.disable()
        on = ScheduledLoop(self._loop, on_stuck=on_stuck, note=self._note, recorder=recorder)
        try:
            # What was ready before runs out first.
            for _ in range(3):
                await asyncio.sleep(0)
            task = asyncio.Task(self._body(on), loop=self._loop, name=_SCENARIO)
            on.begin(schedule.policy())
            try:
                await asyncio.wait({task})
            finally:
                on.rest()
                await _reap(task, asyncio.all_tasks(self._loop) - older)
        finally:
            on.end()
            if self._collects:
                gc.enable()
        error = _error_of(task, stuck)
        lanes = on.lanes
        return Outcome(
            schedule=schedule,
            error=error,
            trace=lanes.trace(),
            steps=len(lanes.steps),
            decisions=lanes.decisions,
            changes=tuple(lanes.changes),
            rows=[] if recorder is None else recorder.rows,
            offers=lanes.offers,
            repeats=not on.jobs.gave_up,
        )

    async def _body(self, on: ScheduledLoop) -> None:
        try:
            result = await self._scenario()
        finally:
            on.rest()
        if self._invariant is not None:
            holds = self._invariant(result)
            if inspect.isawaitable(holds):
                holds = await holds
            if holds is False:
                name = getattr(self._invariant, "__name__", "the invariant")
                raise InvariantBroken(f"{name}({result!r}) is False")

    def raised_at(self, error: BaseException | None) -> Location | None:
        """The user's line that raised it."""
        return None if error is None else self._users.raised_at(error.__traceback__)

    def __repr__(self) -> str:
        return f"<Runner of {self._scenario!r}>"


async def _reap(task: asyncio.Task[Any], left: set[asyncio.Task[Any]]) -> None:
    """End what the scenario has left behind: the next schedule must not meet it."""
    left = left | {task}
    for _ in range(_MAX_CANCELS):
        left = {one for one in left if not one.done()}
        if not left:
            return
        for one in left:
            one.cancel()
        await asyncio.wait(left, timeout=5)


def _error_of(task: asyncio.Task[Any], stuck: list[str]) -> BaseException | None:
    """How the scenario failed. Raises what is not a failure: an exit, a skipped test."""
    error = None if task.cancelled() or not task.done() else task.exception()
    if stuck:
        broken = Stuck(stuck[0])
        broken.__cause__ = error
        return broken
    if task.cancelled() or not task.done():
        return asyncio.CancelledError("the scenario was cancelled")
    # `pytest.fail()` raises a BaseException named Failed.
    if error is None or isinstance(error, Exception) or type(error).__name__ == "Failed":
        return error
    raise error
