"""The search of a scenario: run under one schedule after another, up to the first that fails.

That one is replayed, shrunk where that makes sense, and shown as an interleaving. Must
not import pytest, nor depend on the scenario.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._core.base_error import AsyncFastAPIError
from ..._core.current_test import test_of_body
from ..._core.order_claims import claim, smallest
from ..._core.real_time import perf_counter
from ..._core.units import show
from .every_order import EveryOrder, most_changes
from .probe import end_outer_schedule
from .run import Outcome, Runner
from .sequential import NotAtomic
from .shrink import Shrink
from .token import Schedule, parse, schedules
from .trace import format_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Explored:
    """What came of it: nothing failed. As text: the result in words.

    Attributes:
        schedules: How many schedules were run.
        distinct: How many different orders there were among them.
        steps: The steps of all schedules together.
        notes: Notes about the runs.
        changes: How many changes to the ordinary order there were at most, where every such order
            was to be run; 0 for seeds.
        stopped: Why some were not run; empty if all were.
        unsteady: How many runs were in another order than the schedule's.
    """

    schedules: int
    distinct: int
    steps: int
    notes: tuple[str, ...] = ()
    changes: int = 0
    stopped: str = ""
    unsteady: int = 0

    @property
    def proven(self) -> bool:
        """Has every order with at most `changes` changes been run, and none failed?"""
        return self.changes > 0 and not self.stopped and not self.unsteady

    def __str__(self) -> str:
        if self.changes:
            return claim(self.changes, self.schedules, stopped=self.stopped, unsteady=self.unsteady)
        stopped = f"; stopped: {self.stopped}" if self.stopped else ""
        run = f"{self.schedules} schedules, {self.distinct} of them different"
        return f"{run}, nothing failed{stopped}"


class ScheduleFailure(AsyncFastAPIError, AssertionError):
    """The scenario fails under a schedule; its cause is the scenario's own exception.

    Attributes:
        schedule: The token of the schedule that failed first, for `replay=`.
        shortest: The token of the smallest schedule that still fails, for `replay=`.
        tried: The number of schedules up to it.
        trace: Identifies who ran when.
        interleaving: The same in words.
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.schedule: str = facts["schedule"]
        self.shortest: str = facts["shortest"]
        self.tried: int = facts["tried"]
        self.trace: str = facts["trace"]
        self.interleaving: str = facts["interleaving"]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which schedules are run; see `explore_schedules()`. Raises `ValueError`."""

    seeds: int | Sequence[int] | str = 200
    policy: str = "auto"
    start: int = 0
    changes: int | None = None
    limit: float = 0.0  # seconds of real time; 0: any
    replay: str = ""
    shrink: bool = True

    def __post_init__(self) -> None:
        most_changes(self.seeds, self.policy, self.start, self.changes)
        self.seeded()
        self.first()

    def every(self) -> EveryOrder | None:
        """Every order, if that is what is wanted."""
        most = most_changes(self.seeds, self.policy, self.start, self.changes)
        return EveryOrder(most) if most and not self.replay else None

    def seeded(self, length: int = 0) -> Sequence[Schedule]:
        """The schedules of the seeds."""
        if isinstance(self.seeds, str) or self.replay:
            return ()
        return schedules(self.seeds, self.policy, self.start, length)

    def first(self) -> Schedule:
        """The one that is replayed, or the ordinary order."""
        return parse(self.replay) if self.replay else Schedule("fifo")


async def search_schedules(
    called: str,
    scenario: Callable[[], Awaitable[Any]],
    invariant: Callable[[Any], Any] | None,
    options: SearchOptions,
) -> Explored:
    """Run them; `called` is what the user has called. Raises `ScheduleFailure`."""
    __tracebackhide__ = True
    end_outer_schedule(test_of_body())
    every = options.every()
    with Runner(scenario, invariant) as runner:
        search = _Search(runner, every, options.limit)
        await search.run(options.first())
        await search.run_all(options.seeded(search.last.decisions) if every is None else every)
        if search.last.error is not None:
            shrink = options.shrink and not options.replay and every is None
            failure = await _failure(called, runner, search, shrink)
            raise failure from search.last.error
        return search.explored()


class _Search:
    """The runs up to the first that fails, or to the end of the budget; `last` is the latest."""

    def __init__(self, runner: Runner, every: EveryOrder | None, limit: float) -> None:
        self._runner = runner
        self._every = every
        self._limit = limit
        self._began = perf_counter()
        self._traces: set[str] = set()
        self._steps = 0
        self._stopped = ""
        self.number = -1  # of the latest run, the ordinary order being 0
        self.last: Outcome

    async def run(self, schedule: Schedule) -> None:
        """Run the scenario in this order."""
        self.last = found = await self._runner.run(schedule)
        self.number += 1
        self._traces.add(found.trace)
        self._steps += found.steps
        if self._every is not None:
            self._every.add_run(schedule, found.changes, found.offers, repeats=found.repeats)

    async def run_all(self, plan: Iterable[Schedule]) -> None:
        """Run these, as long as nothing fails and there is time."""
        for schedule in () if self.last.failed else plan:
            if self._limit and perf_counter() - self._began >= self._limit:
                self._stopped = f"the budget of {show(self._limit)} is used up"
                return
            await self.run(schedule)
            if self.last.failed:
                return

    def fewest(self) -> str:
        """Why the schedule that has failed is a smallest one, where every order is run."""
        count = len(self.last.schedule.changes)
        if self._every is None or not count:
            return ""
        return smallest(count, unsteady=self._every.unsteady)

    def explored(self) -> Explored:
        """Nothing has failed."""
        every = self._every
        return Explored(
            schedules=self.number + 1,
            distinct=len(self._traces),
            steps=self._steps,
            notes=tuple(self._runner.notes),
            changes=0 if every is None else every.most,
            stopped=self._stopped,
            unsteady=0 if every is None else every.unsteady,
        )


async def _failure(called: str, runner: Runner, search: _Search, shrink: bool) -> ScheduleFailure:
    """The error for a failing schedule: replayed, shrunk, shown as an interleaving."""
    found = search.last
    again = await runner.run(found.schedule)
    same = again.failed and again.trace == found.trace
    shortest = found.schedule
    if same and shrink and found.changes:
        attempts = Shrink(found.schedule, found.changes)
        for schedule in attempts:
            attempts.failed = (await runner.run(schedule)).failed
        shortest = attempts.smallest
    failure = await runner.run(shortest, watched=True)
    interleaving = format_rows(failure.rows)
    lines = [_headline(found), *_indented(_describe(found.error))]
    if place := runner.raised_at(found.error):
        lines.append(f"  at {place}, in {place.function}: {place.source}")
    lines.append("")
    lines.append(f"  schedule   {found.schedule}{_number(search.number)}, trace {found.trace}")
    if fewest := search.fewest():
        lines.append(f"  smallest   {fewest}")
    if not same:
        lines.append(_does_not_repeat(again))
    if shortest is not found.schedule:
        lines.append(
            f"  smallest   {len(shortest.changes)} of {len(found.changes)} changes to "
            "the ordinary order are enough"
        )
    if interleaving and failure.failed:
        lines += ["  who ran when, and up to which line:", *_indented(interleaving)]
    lines.append(f"  replay     {called}(..., replay={str(found.schedule)!r})")
    if shortest is not found.schedule:
        lines.append(f"             or the smallest: replay={str(shortest)!r}")
    lines += [f"  note       {note}" for note in runner.notes]
    return ScheduleFailure(
        "\n".join(lines),
        schedule=str(found.schedule),
        shortest=str(shortest),
        tried=search.number,
        trace=found.trace,
        interleaving=interleaving,
    )


def _describe(error: BaseException | None) -> str:
    if isinstance(error, NotAtomic):
        return str(error)
    return f"{type(error).__name__}: {error}".strip()


def _headline(found: Outcome) -> str:
    if isinstance(found.error, NotAtomic):
        return (
            "the requests together come to what no order of them gives, one after the other (a "
            "race):"
        )
    if found.schedule.kind == "fifo" and not found.schedule.changes:
        return "the scenario fails in the ordinary order of the event loop already:"
    return "the scenario fails when its tasks run in another order than the ordinary one (a race):"


def _number(tried: int) -> str:
    return f" (number {tried} of those tried)" if tried else ""


def _does_not_repeat(again: Outcome) -> str:
    return (
        f"  not sure   the same schedule once more gave trace {again.trace} and "
        f"{'failed' if again.failed else 'passed'}: something beside the schedule differs from "
        "run to run (real I/O, the machine's clock, state that the scenario does not make afresh)"
    )


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
