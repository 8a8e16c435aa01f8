"""The engine of a sweep inside one test: a scenario is run repeatedly, in the same fixtures.

The clean run records; then there is one run for each point, judged as those of the
markers are. What the test provides (its client, its faults) comes from `test_of_body()`.
Must not import pytest.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

from .._core.base_error import AsyncFastAPIError
from .._core.current_test import test_of_body
from .._core.findings import Finding
from .._core.real_time import perf_counter
from .._core.signatures import signature
from .._core.tasks import is_explored
from .marker_arguments import INVARIANT_ARGUMENTS, require_function
from .model import ExplorationResult, Run, judged
from .schedules.run import InvariantBroken, Stuck

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .model import Exploration, Point, Result, RunState

# After these, what comes next meets what this run has left.
_CORRUPTING = ("hung", "stuck", "lock held")


@dataclass(frozen=True, slots=True, eq=False)
class SweepReport:
    """The result of a sweep inside a test; as text: the matrix and the findings.

    Attributes:
        points: The runs, each with `token` (for `replay=`), `verdict` (`"ok"`, `"unhandled"`,
            `"masked"`), `bad`, `answer` (what the caller got: `"502"`) and `detail`.
        findings: What is to change, one for each thing that is wrong at one place; those that are
            only listed have the severity `"warning"`.
        text: The matrix and the findings.
    """

    points: tuple[Result, ...]
    findings: tuple[Finding, ...] = ()
    text: str = ""

    @property
    def bad(self) -> tuple[Result, ...]:
        """The points at which something is wrong."""
        return tuple(point for point in self.points if point.bad)

    def assert_none(self) -> None:
        """Fail if anything is wrong.

        Raises:
            SweepFailure: With the matrix and the findings.
        """
        __tracebackhide__ = True
        if self.bad or any(finding.severity == "error" for finding in self.findings):
            raise SweepFailure(self)

    def __str__(self) -> str:
        return self.text


class SweepFailure(AsyncFastAPIError, AssertionError):
    """The scenario does not pass the sweep.

    Attributes:
        report: All that was seen, the text too.
    """

    def __init__(self, report: SweepReport) -> None:
        super().__init__(report.text)
        self.report = report


class InlineEngine:
    """Explores `scenario` inside the body of the running test; `name` is what the user called.

    With `setup` what `reset` sends and calls is part of each run.
    Raises `RuntimeError` where there is no test to explore in.
    """

    def __init__(
        self,
        name: str,
        scenario: Callable[[], Awaitable[Any]],
        reset: Callable[[], Any] | None,
        *,
        setup: bool = False,
    ) -> None:
        require_function(scenario, "scenario", "point")
        if reset is not None:
            require_function(reset, "reset", "point")
        self._name = name
        self._scenario = scenario
        self._reset = reset
        self._setup = setup
        self._test = test_of_body()
        if sentence := self._unsupported_reason():
            raise RuntimeError(f"{name}() {sentence}")
        self.test: str = self._test.test

    def _unsupported_reason(self) -> str:
        if self._test is None:
            return "runs inside an async test: what it watches and strikes is the test's own"
        if self._test.inline_exploration.client is None:
            return (
                "watches the requests of `asgi_client`, and this test does not use it. "
                "Fix: add it to the arguments of the test."
            )
        if self._test.inline_exploration.active or (is_explored() and self._test.probe is None):
            return "is called by a scenario that is being explored: only one at a time can be"
        return ""

    def checked_invariant(self, invariant: Callable[..., Any] | None) -> Callable[..., Any] | None:
        """The invariant as a sweep calls it: with the fixtures that it names; False fails."""
        if invariant is None:
            return None
        require_function(invariant, "invariant", "point")
        fixtures = self._test.item.funcargs
        parameters = signature(invariant).parameters.values()
        needed = [one.name for one in parameters if one.default is one.empty]
        for name in needed:
            if name not in fixtures and name not in INVARIANT_ARGUMENTS:
                raise ValueError(
                    f"the invariant asks for the fixture {name!r}, which this test does not "
                    "have; add it to the test, or write an invariant without arguments"
                )

        async def checked_invariant() -> None:
            probe = self._test.probe
            known = {**probe.invariant_arguments(), **fixtures}
            result = invariant(**{name: known[name] for name in needed})
            if inspect.isawaitable(result):
                result = await result
            if result is False:
                name = getattr(invariant, "__name__", "the invariant")
                raise InvariantBroken(f"{name}() is False")

        return checked_invariant

    async def explore(self, exploration: Exploration, replay: str) -> SweepReport:
        """Run all points, or the one of the token `replay`."""
        __tracebackhide__ = True
        if self._test.probe is not None:  # the test is swept itself: one run of many
            self._test.inline_exploration.postponed = True
            await self._run_scenario()
            return SweepReport((), (), f"{self._name}: the test itself is being explored")
        budget = self._test.settings.sweep_budget
        explored = ExplorationResult(exploration.kind, self.test, call=self._call(), budget=budget)
        inline, began = self._test.inline_exploration, perf_counter()
        inline.active = True
        inline.explored.append(explored)
        try:
            clean = await self._clean(exploration)
            explored.about = exploration.about(clean)
            further: list[Point] = []
            for point in self._points(exploration, clean, explored, replay, further):
                if explored.is_over(perf_counter() - began):
                    break
                if clean.control is None and (prepare := exploration.control()) is not None:
                    clean.control = await self._run(prepare, forget=True)
                run = await self._run(point.prepare, forget=True)
                explored.results.append(judged(point, run, clean))
                further += () if replay else exploration.following(point, run)
        finally:
            inline.active = False
            explored.duration = perf_counter() - began
        explored.findings = [*self._findings(exploration, clean, explored.results)]
        if explored.over_budget:
            explored.findings.append(explored.stopped_finding())
        listed = [item for item in explored.findings if item.severity == "warning"]
        if len(listed) == len(explored.findings):
            inline.warnings += listed  # the caller may not look at the report
        text = inline.add_result(explored)
        return SweepReport(tuple(explored.results), tuple(explored.findings), text)

    def _call(self) -> str:
        """`"explore_faults()"`; the second one of a test is `"explore_faults() 2"`."""
        calls = [one.call.partition(" ")[0] for one in self._test.inline_exploration.explored]
        number = calls.count(f"{self._name}()") + 1
        return f"{self._name}()" if number == 1 else f"{self._name}() {number}"

    def _points(
        self,
        exploration: Exploration,
        clean: Run,
        explored: ExplorationResult,
        replay: str,
        further: list[Point],
    ) -> Iterator[Point]:
        """One at a time; `further` is filled by then with what is worth a run after it."""
        if replay:
            point = exploration.point(replay, clean)
            if point is None:
                raise ValueError(f"replay={replay!r} is not a point of this scenario")
            points = [point]
        else:
            points = list(exploration.points(clean, explored.results))
        explored.planned = len(points)
        for number, point in enumerate(points, 1):
            yield point
            points[number:number] = further
            further.clear()
            explored.planned = len(points)
            verdict = explored.results[-1].verdict
            if verdict in _CORRUPTING and self._reset is None and number < len(points):
                explored.stopped = (
                    f"after {verdict!r} at {point.token} nothing is as before, so "
                    f"{len(points) - number} of {len(points)} points were not run; "
                    "reset= makes the app new"
                )
                return

    def _findings(
        self, exploration: Exploration, clean: Run, done: list[Result]
    ) -> Iterator[Finding]:
        for answer in clean.state.probe.answers.all:
            if answer.is_http and answer.status >= 500:
                yield _error_without_fault(answer, self.test)
        for finding in exploration.findings(clean, done):
            tokens = finding.data.get("tokens")
            replay = f"{self._name}(..., replay={tokens[0]!r})" if tokens else ""
            yield replace(finding, replay=replay)

    async def _clean(self, exploration: Exploration) -> Run:
        __tracebackhide__ = True
        run = await self._run(exploration.prepare, forget=False)
        if run.state.deadlock:
            raise Stuck(run.state.deadlock.strip())
        if run.error is not None:
            run.error.add_note(f"{self._name}(): the scenario fails by itself, without any fault")
            raise run.error
        return run

    async def _run(self, prepare: Callable[[RunState], None], *, forget: bool) -> Run:
        """One run of the scenario, and the look at what it leaves."""
        if not self._setup:
            await self._reset_app()
        run_state, errors, began = self._test.new_run(), {}, perf_counter()
        with anyio.CancelScope() as scope, run_state.run(prepare, scope.cancel, forget=forget):
            phase = "setup"
            try:
                if self._setup:
                    await self._reset_app()
                phase = "call"
                await run_state.probe.wrap_body(self._run_scenario)()
            except BaseException as error:
                # `pytest.fail()` raises a BaseException named Failed.
                if not (isinstance(error, Exception) or type(error).__name__ == "Failed"):
                    raise
                errors[phase] = error
        return Run(run_state, errors, run_state.findings, perf_counter() - began)

    async def _reset_app(self) -> None:
        awaitable = None if self._reset is None else self._reset()
        if inspect.isawaitable(awaitable):
            await awaitable

    async def _run_scenario(self) -> None:
        awaitable: Any = self._scenario()
        if not inspect.isawaitable(awaitable):
            raise ValueError(
                "scenario must return something to await: write `async def`, or "
                f"`lambda: asgi_client.get(...)`; it returned {awaitable!r}"
            )
        await awaitable

    def __repr__(self) -> str:
        return f"<InlineEngine {self.test}: {self._scenario!r}>"


def _error_without_fault(answer: Any, test: str) -> Finding:
    return Finding(
        kind="sweep.clean",
        title=f"{answer.label} is answered {answer.status} without any fault",
        why="so the same answer under a fault is not held against the app",
        remedy="give each upstream call a route, and send what the app can answer; no matter "
        "where a fault of the test's own is meant",
        severity="warning",
        test=test,
    )
