"""`explore_schedules()`: one scenario under many schedules of the event loop, seed by seed.

Stops at the first schedule under which it fails, makes that schedule as small
as it can, and shows who ran when. This module must not know pytest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._core.base_error import AsyncFastAPIError
from ..marker_arguments import function
from .policies import Schedule, parse, schedules
from .run import Outcome, Runner
from .shrink import minimise
from .trace import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


@dataclass(frozen=True, slots=True)
class Explored:
    """What came of it: nothing failed. `distinct` counts different orders, `steps` all steps."""

    schedules: int
    distinct: int
    steps: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.schedules} schedules, {self.distinct} of them different, nothing failed"


class ScheduleFailure(AsyncFastAPIError, AssertionError):
    """The scenario fails under a schedule; its cause is the scenario's own exception.

    `schedule` is the token that failed first and `shortest` the smallest one that
    still does (both for `replay=`), `tried` the number of schedules up to it,
    `trace` identifies who ran when, `interleaving` is that in words.
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.schedule: str = facts["schedule"]
        self.shortest: str = facts["shortest"]
        self.tried: int = facts["tried"]
        self.trace: str = facts["trace"]
        self.interleaving: str = facts["interleaving"]


async def explore_schedules(
    scenario: Callable[[], Awaitable[Any]],
    *,
    seeds: int | Sequence[int] = 200,
    policy: str = "auto",
    start: int = 0,
    invariant: Callable[[Any], Any] | None = None,
    replay: str = "",
    shrink: bool = True,
) -> Explored:
    """Run `scenario` under many schedules: it must hold whoever runs first.

    `scenario` is an async callable that makes everything afresh that it changes
    (app, database, client) and asserts what must hold; `invariant` (plain or
    async, optional) is called with what it returned, and must not return False.

    `seeds`: how many schedules, from seed `start` on, or which seeds. `policy`:
    `random` (any task that is ready may go next), `pct` (random priorities that
    change twice) or `auto` (half of each). The same seed gives the same order,
    the same draws of `random`, and the same delays of faults with distributions.
    `replay` runs one schedule by its token instead.

    The ordinary order comes first, and time is virtual. Raises `ScheduleFailure` at
    the first schedule under which the scenario or its invariant fails, deadlocks, or
    does not end; `ValueError` for arguments that make no sense; `RuntimeError` on
    trio and `ClockError` on uvloop, which choose their order themselves.
    """
    __tracebackhide__ = True
    function(scenario, "scenario", "schedule")
    if invariant is not None:
        function(invariant, "invariant", "schedule")
    schedules(seeds, policy, start)  # so that what makes no sense is said before anything runs
    first = parse(replay) if replay else Schedule("fifo")
    with Runner(scenario, invariant) as runner:
        found = await runner.run(first)
        traces, steps, tried = {found.trace}, found.steps, 0
        plan = [] if replay else schedules(seeds, policy, start, found.decisions)
        while not found.failed and tried < len(plan):
            found = await runner.run(plan[tried])
            tried += 1
            traces.add(found.trace)
            steps += found.steps
        if found.error is not None:
            told = await _failure(runner, found, tried, shrink and not replay)
            raise told from found.error
        return Explored(tried + 1, len(traces), steps, tuple(runner.notes))


async def _failure(runner: Runner, found: Outcome, tried: int, shrink: bool) -> ScheduleFailure:
    """The error for a failing schedule: replayed, made small, told as an interleaving."""
    again = await runner.run(found.schedule)
    same = again.failed and again.trace == found.trace
    smallest = found.schedule
    if same and shrink and found.changes:
        smallest = await minimise(runner, found)
    told = await runner.run(smallest, watched=True)
    interleaving = shown(told.rows)
    lines = [_headline(found), *_indented(f"{type(found.error).__name__}: {found.error}".strip())]
    if place := runner.place_of(found.error):
        lines.append(f"  at {place}, in {place.function}: {place.source}")
    lines.append("")
    lines.append(f"  schedule   {found.schedule}{_number(tried)}, trace {found.trace}")
    if not same:
        lines.append(_unsure(again))
    if smallest is not found.schedule:
        lines.append(
            f"  smallest   {len(smallest.changes)} of {len(found.changes)} changes to "
            "the ordinary order are enough"
        )
    if interleaving and told.failed:
        lines += ["  who ran when, and up to which line:", *_indented(interleaving)]
    lines.append(f"  replay     explore_schedules(..., replay={str(found.schedule)!r})")
    if smallest is not found.schedule:
        lines.append(f"             or the smallest: replay={str(smallest)!r}")
    lines += [f"  note       {note}" for note in runner.notes]
    return ScheduleFailure(
        "\n".join(lines),
        schedule=str(found.schedule),
        shortest=str(smallest),
        tried=tried,
        trace=found.trace,
        interleaving=interleaving,
    )


def _headline(found: Outcome) -> str:
    if found.schedule.kind == "fifo" and not found.schedule.changes:
        return "the scenario fails in the ordinary order of the event loop already:"
    return "the scenario fails when its tasks run in another order than the ordinary one (a race):"


def _number(tried: int) -> str:
    return f" (number {tried} of those tried)" if tried else ""


def _unsure(again: Outcome) -> str:
    return (
        f"  not sure   the same schedule once more gave trace {again.trace} and "
        f"{'failed' if again.failed else 'passed'}: something beside the schedule differs from "
        "run to run (real I/O, the machine's clock, state that the scenario does not make afresh)"
    )


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
