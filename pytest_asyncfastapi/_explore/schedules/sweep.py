"""A whole test under many schedules: the body is run repeatedly, each time in another order.

The clean run keeps the ordinary order; then there is one run for each seed, or for each
order with so many changes, up to the first that fails. That one is made small (where it is
not by itself) and shown, by further runs. `body.py` applies the orders. Must not import
pytest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..._core.findings import Finding
from ..._core.order_claims import smallest
from ..group_findings import quoted
from ..model import Exploration, Result
from .every_order import ALL, EveryOrder
from .probe import ScheduleProbe
from .shrink import Shrink
from .token import Schedule, parse, schedules
from .trace import format_rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from ..._core.findings import Location
    from ..marker_arguments import SchedulesOptions
    from ..model import Point, Run, RunState
    from .body import BodyRun

    # Gives points, and in the end the first that has failed.
    _Search = Generator[Any, None, "SchedulePoint | None"]
    _Check = Generator[Any, None, bool]

KIND = "schedules"
_ROWS = 400  # of an interleaving that a report carries


@dataclass(eq=False)
class SchedulePoint:
    """One schedule; `verdict` is what its result is called where it is not a search."""

    sweep: ScheduleSweep
    schedule: Schedule
    verdict: str = ""
    probe: ScheduleProbe | None = None
    failed: bool = False
    difference: str = ""  # how the outcome differs from all that it may be
    only_differs: bool = False

    @property
    def token(self) -> str:
        """`"schedules:random-17"`."""
        return f"{KIND}:{self.schedule}"

    def prepare(self, state: RunState) -> None:
        """Virtual time, the order, and draws of their own for the faults."""
        self.sweep.install(state, self.schedule, watched=self.verdict == "shown")
        self.probe = state.probe

    def judge(self, run: Run, clean: Run) -> Result:
        """Did it hold in this order too?"""
        assert self.probe is not None
        news = [item for item in run.new_findings(clean) if item.severity == "error"]
        error, self.difference = run.error, self.sweep.difference(self.probe)
        self.failed = error is not None or bool(news or self.difference)
        detail = "" if error is None else f"{type(error).__name__}: {error}".strip()
        detail = detail or (news[0].title if news else "") or self.difference
        where = None if error is None else run.state.user_code.raised_at(error.__traceback__)
        where = where or (news[0].where if news else None)
        self.only_differs = bool(self.difference) and error is None and not news
        facts: dict[str, Any] = {"trace": self.probe.body.trace}
        facts["changes"] = len(self.probe.body.changes)
        if not self.verdict and not self.sweep.add_run(self.schedule, self.probe.body):
            facts["unsteady"] = True
        verdict = self.verdict or ("race" if self.failed else "ok")
        bad = self.failed and not self.verdict
        if self.only_differs:
            facts["unlike"] = True
        if self.verdict == "shown":
            facts["lanes"] = [row.to_json() for row in self.probe.body.rows[-_ROWS:]]
        if bad:
            self.sweep.failure = (detail, where)
        return Result(self.token, verdict, bad=bad, detail=detail.partition("\n")[0], data=facts)


class ScheduleSweep(Exploration):
    """One test's schedules; `test` is its name for the line that replays.

    `required`: the test is marked, so it fails if no other order can be tried.
    """

    kind = KIND
    waits = False  # does each schedule wait until the test lets it begin?

    def __init__(self, options: SchedulesOptions, test: str, *, required: bool = True) -> None:
        self.options = options
        self.test = test
        self._required = required
        self.failure: tuple[str, Location | None] = ("", None)
        self._every = EveryOrder(options.changes or 1) if options.seeds == ALL else None
        self.facts: dict[str, Any] = {}
        self._smallest: Schedule | None = None
        self._shown: SchedulePoint | None = None

    def install(self, state: RunState, schedule: Schedule, *, watched: bool = False) -> None:
        """Let this run go in this order."""
        if schedule.seed:
            seed = state.settings.seed + 1_000_003 * schedule.seed
            state.settings = replace(state.settings, seed=seed)
        state.request_virtual_time()
        state.probe = ScheduleProbe(state, schedule, watched=watched, waits=self.waits)

    def prepare(self, state: RunState) -> None:
        """The clean run is in the ordinary order."""
        self.install(state, Schedule("fifo"))

    def difference(self, probe: ScheduleProbe) -> str:
        """How the outcome of this run differs from all that it may be; here it may be any."""
        return ""

    def is_confirmed(self, point: SchedulePoint, done: Sequence[Result]) -> _Check:
        """Is this failure one, after a second look?"""
        yield from ()
        return True

    def points(self, clean: Run, done: Sequence[Result]) -> Iterator[Any]:
        """A schedule a seed; after the first that fails, what makes it small and shows it."""
        probe: ScheduleProbe = clean.state.probe
        if not (probe.refused or probe.explores_itself):
            every = self._every
            first = self._seeds(probe, done) if every is None else self._all(every, probe, done)
            found = yield from first
            if found is not None:
                yield from self.shrunk_and_shown(found, done)

    def _seeds(self, probe: ScheduleProbe, done: Sequence[Result]) -> _Search:
        options = self.options
        assert isinstance(options.seeds, int)
        for schedule in schedules(
            options.seeds, options.policy, options.start, probe.body.decisions
        ):
            point = SchedulePoint(self, schedule)
            yield point
            if point.failed and (yield from self.is_confirmed(point, done)):
                return point
        return None

    def _all(self, every: EveryOrder, probe: ScheduleProbe, done: Sequence[Result]) -> _Search:
        """Where shares take turns, they do so for one change; what follows is the same share's."""
        body = probe.body
        every.add_run(Schedule("fifo"), body.changes, body.offers, repeats=body.repeats)
        for schedule in every:
            point = SchedulePoint(self, schedule)
            yield from (point,) if len(schedule.changes) == 1 else until_run(point, done)
            if point.failed and (yield from self.is_confirmed(point, done)):
                return point
        return None

    def add_run(self, schedule: Schedule, body: BodyRun) -> bool:
        """This order has been run; False if it was another one, where every order is to be."""
        if self._every is None or not schedule.changes:
            return True
        return self._every.add_run(schedule, body.changes, body.offers, repeats=body.repeats)

    def shrunk_and_shown(
        self, found: SchedulePoint, done: Sequence[Result]
    ) -> Iterator[SchedulePoint]:
        """Make the failing one small, and show it."""
        assert found.probe is not None
        smallest = found.schedule
        if found.probe.body.changes and self._every is None:
            attempts = Shrink(found.schedule, found.probe.body.changes)
            for schedule in attempts:
                point = SchedulePoint(self, schedule, "smaller")
                yield from until_run(point, done)
                attempts.failed = point.failed
            smallest = attempts.smallest
        self._smallest = smallest
        self._shown = SchedulePoint(self, smallest, "shown")
        yield from until_run(self._shown, done)

    def point(self, token: str, clean: Run) -> SchedulePoint | None:
        """The schedule of this token: alone, so that no claim is made about all orders."""
        self.facts.pop("most_changes", None)
        try:
            return SchedulePoint(self, parse(token.partition(":")[2]))
        except ValueError:
            return None

    def findings(self, clean: Run, done: Sequence[Result]) -> list[Finding]:
        """The race, if there is one; or why no other order could be tried."""
        if refused := clean.state.probe.refused:
            return [_refused(self.test, refused, required=self._required)]
        return [self.race(result, done) for result in done if result.bad]

    def race(self, bad: Result, done: Sequence[Result]) -> Finding:
        """The finding."""
        detail, where = self.failure
        tried = sum(result.verdict in ("ok", "race") for result in done)
        lines = [detail, f"schedule {bad.token} (number {tried} of those tried), {_trace(bad)}"]
        replay = bad.token
        if self._smallest is not None and self._smallest.changes:
            replay = f"{KIND}:{self._smallest}"
            count = len(self._smallest.changes)
            lines.append(
                f"{count} of {bad.data['changes']} changes to the ordinary order are enough"
                if self._every is None
                else smallest(count, unsteady=self._every.unsteady)
            )
        if self._shown is not None and self._shown.failed and self._shown.probe is not None:
            lines += [
                "who ran when, and up to which line:",
                format_rows(self._shown.probe.body.rows),
            ]
        return Finding(
            kind="schedules.race",
            title="race: the test fails when its tasks run in another order than the ordinary one",
            where=where,
            evidence="\n".join(lines),
            why="which of two requests goes on first is chance in production",
            remedy="make what must not be interrupted one step: a lock around it, one statement "
            "of the database (UPDATE ... WHERE), or no await between reading and writing",
            replay=f"pytest {quoted(self.test)} --asyncfastapi-replay={replay}",
            test=self.test,
        )

    def about(self, clean: Run) -> dict[str, Any]:
        """What the ordinary order was."""
        probe = clean.state.probe
        facts = self.facts
        facts["decisions"] = probe.body.decisions
        if self._every is not None:
            facts["most_changes"] = self._every.most
        if probe.explores_itself:
            facts["nothing"] = "the test explores orders itself"
        elif probe.refused or not probe.body.decisions:
            facts["nothing"] = probe.refused or "no two tasks were ready at the same time"
        return facts


def _trace(result: Result) -> str:
    return f"trace {result.data['trace']}"


def _refused(test: str, why: str, *, required: bool) -> Finding:
    why, _, remedy = why.partition(". Fix: ")
    return Finding(
        kind="schedules.refused",
        title=f"no other order could be tried: {why}",
        why="what has not been run has not been tested",
        remedy=(remedy or "run this test on asyncio's own loop (anyio_backend = 'asyncio')")
        + (", or remove the marker" if required else ""),
        severity="error" if required else "warning",
        test=test,
    )


def until_run(point: Point, done: Sequence[Result]) -> Iterator[Any]:
    """This very point, however many are left out where shares take turns."""
    before = len(done)
    while len(done) == before:
        yield point
