"""A whole test with `together`: its requests one after the other, then together in many orders.

Each order of the requests is two runs of the test, with fresh fixtures; then there is a run
for each schedule, whose outcome must be one of theirs. Does not know pytest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ..._core.findings import Finding
from ..model import Result
from .sequential import Sequential, in_words
from .sweep import KIND, SchedulePoint, ScheduleSweep, until_run
from .token import Schedule

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from ..marker_arguments import SchedulesOptions
    from ..model import Run, RunState
    from .probe import ScheduleProbe


@dataclass(eq=False)
class OrderPoint:
    """The requests one after the other; `again` numbers the runs of one order."""

    sweep: TogetherSweep
    order: tuple[int, ...]
    again: int = 0
    probe: ScheduleProbe | None = None

    @property
    def token(self) -> str:
        """Names it; it is not replayed by itself."""
        return f"{KIND}:one-by-one-{'-'.join(map(str, self.order)) or 'none'}-{self.again}"

    def prepare(self, state: RunState) -> None:
        """As in the clean run, but for what `together()` does."""
        self.sweep.install(state, Schedule("fifo"))
        self.probe = state.probe
        state.probe.order = self.order

    def judge(self, run: Run, clean: Run) -> Result:
        """An order is never a failure; its outcome is one of those allowed."""
        assert self.probe is not None
        detail = self.sweep.add_order(self.order, self.probe, run)
        return Result(self.token, "one by one", detail=detail)


class TogetherSweep(ScheduleSweep):
    """The sweep of a test that uses `together`; only what that runs is in another order."""

    waits = True

    def __init__(self, options: SchedulesOptions, test: str, *, required: bool = True) -> None:
        super().__init__(options, test, required=required)
        self._sequential: Sequential | None = None
        self._refusal = ""

    def leading(self, clean: Run) -> Sequence[OrderPoint]:
        """Each order, twice."""
        probe: ScheduleProbe = clean.state.probe
        if probe.refused or probe.found is None:
            return ()
        self._sequential = known = Sequential(len(probe.found.answers), probe.ignored)
        self.facts["one_by_one"] = len(known.all())
        return [OrderPoint(self, order, again) for again in (1, 2) for order in known.all()]

    def points(self, clean: Run, done: Sequence[Result]) -> Iterator[Any]:
        """The orders one after the other; the ordinary schedule; then the others."""
        leading = self.leading(clean)
        for point in leading:
            yield from until_run(point, done)
        if self._refusal:
            return
        if leading:
            first = SchedulePoint(self, Schedule("fifo"))
            yield from until_run(first, done)
            if first.failed and (yield from self.is_confirmed(first, done)):
                yield from self.shrunk_and_shown(first, done)
                return
        yield from super().points(clean, done)

    def add_order(self, order: tuple[int, ...], probe: ScheduleProbe, run: Run) -> str:
        """Add the outcome of this order; returns a note on it."""
        known = self._sequential
        assert known is not None
        if probe.found is None:
            if probe.body.stuck:
                known.impossible.append(order)
                return "never ends"
            self._refusal = self._refusal or (
                f"together(), one after the other ({in_words(order)}): "
                f"{type(run.error).__name__}: {run.error}"
            )
            return self._refusal
        try:
            known.add(order, probe.found)
        except ValueError as error:
            self._refusal = self._refusal or f"together(): {error}"
            return str(error)
        return ""

    def difference(self, probe: ScheduleProbe) -> str:
        """The table of this outcome beside the nearest one, if no order gives it."""
        if self._sequential is None or probe.found is None:
            return ""
        return self._sequential.verdict(probe.found)

    def is_confirmed(
        self, point: SchedulePoint, done: Sequence[Result]
    ) -> Generator[Any, None, bool]:
        """Run the orders once more: something may differ from run to run, but seldom."""
        known, probe = self._sequential, point.probe
        if known is None or probe is None or probe.found is None or not point.only_differs:
            return True
        place = len(done) - 1
        for again, orders in enumerate(
            (known.possible(), *[known.orders_to_try(probe.found)] * 2), 3
        ):
            for order in orders:
                yield from until_run(OrderPoint(self, order, again), done)
        if text := known.verdict(probe.found):
            self.failure = (text, self.failure[1])
            return True
        results = cast("list[Result]", done)
        results[place] = replace(results[place], verdict="ok", bad=False, detail="")
        point.failed = False
        return False

    def findings(self, clean: Run, done: Sequence[Result]) -> list[Finding]:
        """The race; or why there is nothing to compare with."""
        if self._sequential is not None:
            self.facts["compared"] = self._sequential.about()
        probe: ScheduleProbe = clean.state.probe
        if self._refusal and not probe.refused:
            return [_nothing_to_compare(self._refusal, self.test, probe)]
        found = super().findings(clean, done)
        return [replace(one, where=one.where or probe.called_at) for one in found]

    def race(self, bad: Result, done: Sequence[Result]) -> Finding:
        """Of the outcome, where the test itself passes."""
        found = super().race(bad, done)
        if bad.data.get("unlike"):
            title = "race: the requests together come to what no order of them gives"
            return replace(found, kind="schedules.together", title=title)
        return found


def _nothing_to_compare(why: str, test: str, probe: ScheduleProbe) -> Finding:
    why, _, remedy = why.partition(". Fix: ")
    return Finding(
        kind="schedules.refused",
        title=why,
        where=probe.called_at,
        why="what the requests come to together is compared with each order of them",
        remedy=remedy or "let the test pass whichever of its requests comes first",
        test=test,
    )
