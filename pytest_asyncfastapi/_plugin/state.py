"""What one test has: the features of the plugin, in their order.

Lives on `item.stash`, so that tests, threads and workers never see each other's.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from .._core.call_each import call_each
from .._core.findings import Finding, FindingLog
from .blocking import BlockingFeature
from .checks import ChecksFeature
from .concurrency import ConcurrencyFeature
from .config_advice import in_syntax
from .coverage import CoverageFeature
from .dependency_overrides import OverridesFeature
from .explore_feature import ExploreFeature
from .feature import STATE, Feature, TestContext
from .recording import RecordingFeature
from .upstream import UpstreamFeature
from .virtual_time import ClockFeature

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from .explored_test import ExploredTest
    from .feature import App, Body
    from .payloads import ReportData


@cache
def _implementing(kinds: tuple[type[Feature], ...]) -> dict[str, tuple[int, ...]]:
    """Which of these features do something, by the method of `Feature`.

    Every test calls each method of all, most of which do nothing.
    """
    return {
        method: tuple(
            number
            for number, kind in enumerate(kinds)
            if getattr(kind, method) is not getattr(Feature, method)
        )
        for method in vars(Feature)
        if not method.startswith("_")
    }


class TestState(TestContext):
    """One test while it runs.

    A feature is given those that it builds on. They begin in the order of `features`, and end
    in the opposite one: virtual time first, then whoever judges what is left, in real time, with
    the ways out and the guard still in place.
    """

    _names: ClassVar[tuple[str, ...]] = ()  # of the attributes that are features

    def __init__(self, item: pytest.Item) -> None:
        super().__init__(item)
        self.time = ClockFeature(self)
        self.explore = ExploreFeature(self)
        self.blocking = BlockingFeature(self)
        self.upstream = UpstreamFeature(self, self.time, self.explore)
        self.coverage = CoverageFeature(self, self.upstream)
        self.checks = ChecksFeature(self, self.upstream, self.explore)
        self.concurrency = ConcurrencyFeature(self, self.blocking, self.upstream)
        self.overrides = OverridesFeature(self)
        self.timeline = RecordingFeature(
            self, self.time, self.blocking, self.upstream, self.concurrency
        )
        # What a later one puts around the body or the app is around that of an earlier one.
        self.features = (
            self.blocking,
            self.upstream,
            self.coverage,
            self.explore,
            self.timeline,
            self.checks,
            self.concurrency,
            self.overrides,
            self.time,
        )
        self._explored_test: ExploredTest | None = None
        self.reported: list[Finding] = []  # what the reports of earlier phases already carry
        self.carried: ReportData | None = None
        self.passed = True
        self._seen: dict[str, list[Finding]] = {}  # by the end of a phase

    @property
    def features(self) -> tuple[Feature, ...]:
        """All of them, in the order in which they begin."""
        return self._features

    @features.setter
    def features(self, features: tuple[Feature, ...]) -> None:
        self._features = features
        self._numbers = _implementing(tuple(map(type, features)))

    @property
    def explored_test(self) -> ExploredTest:
        """The test as its body and explorations see it; most tests have no use for that."""
        if self._explored_test is None:
            from .explored_test import ExploredTest

            self._explored_test = ExploredTest(self, self)
        return self._explored_test

    def _having(self, method: str) -> list[Feature]:
        """The features that implement this method, in their order."""
        return [self._features[number] for number in self._numbers[method]]

    # What happens to a test

    def begin(self) -> None:
        """Before the fixtures are set up."""
        for feature in self._having("begin"):
            feature.begin()

    def on_loop(self) -> None:
        """The test has a running loop now."""
        self.clock_origins.on_loop()
        for feature in self._having("on_loop"):
            feature.on_loop()

    @contextmanager
    def wider_fixture(self) -> Iterator[None]:
        """A fixture is set up that lasts longer than the test."""
        before = self.wide
        self._set_wide(True)
        try:
            yield
        finally:
            self._set_wide(before)

    def _set_wide(self, wide: bool) -> None:
        self.wide = wide
        for feature in self._having("set_wide"):
            feature.set_wide(wide)

    def set_in_body(self, inside: bool) -> None:
        """The test itself runs; before and after it are its fixtures."""
        self.in_body = inside
        self.blocking.set_in_body(inside)

    def around(self, body: Body) -> Body:
        """The body of an async test, with what belongs around it in its own task."""
        for feature in self._having("around"):
            body = feature.around(body)
        return body

    def wrap_app(self, app: App) -> App:
        """The app that the test's client calls, with what belongs around it."""
        for feature in self._having("wrap_app"):
            app = feature.wrap_app(app)
        return app

    def end(self, *, judge: bool = True) -> None:
        """After the fixtures are torn down; without a verdict for a test that was interrupted."""
        # Each ends, whatever another raises: none must reach the next test.
        call_each(*[feature.end for feature in reversed(self._having("end"))], judge=judge)

    # What is reported

    def collect(self, *, passed: bool, ended: bool = False) -> None:
        """Move what the features have seen so far into the log; `ended` when it is all."""
        phase = "teardown" if ended else "call"
        if not self.repeated:
            seen: list[Finding] = []
            for feature in self._having("findings"):
                seen += feature.findings(passed=passed, ended=ended)
            self._seen[phase] = seen
        found = [*self._seen.get(phase, ())]
        # Depends on how the run is reported, not on the run alone.
        found += self.explore.verdict(passed=passed, ended=ended)
        found += self.time.verdict()
        self.log = FindingLog()
        for finding in found:
            allow = in_syntax(self.item.config, finding.allow)
            self.log.add(replace(finding, test=finding.test or self.test, allow=allow))

    def repeat(self) -> None:
        """The phases of this run, which has ended, are reported again, with what came of it."""
        self.repeated = self.passed = True
        self.time.repeat()
        self.reported, self.carried = [], None

    def unreported_findings(self) -> list[Finding]:
        """The findings that no report has carried yet."""
        if not len(self.log):
            return []
        told = {finding.place for finding in self.reported}
        fresh = [finding for finding in self.log if finding.place not in told]
        self.reported.extend(fresh)
        return fresh

    def report_data(self, phase: str) -> dict[str, Any]:
        """What the report of this phase carries beside findings and notes, as plain data."""
        found: dict[str, Any] = {}
        for feature in self._having("report_data"):
            found |= feature.report_data(phase)
        if phase == "teardown":
            found["run"] = {}
            for feature in self._having("session_data"):
                found["run"] |= feature.session_data()
        return found

    def release(self) -> None:
        """The test is over: forget the features, which know it in their turn.

        Otherwise each test leaves reference cycles, and the collector runs more often.
        """
        mine = vars(self)
        if not TestState._names:  # the same in every test
            TestState._names = tuple(name for name in mine if isinstance(mine[name], Feature))
        for name in TestState._names:
            mine.pop(name, None)
        self.features, self._explored_test = (), None

    def __repr__(self) -> str:
        return f"<TestState of {self.test}: {self.log!r}>"


def state_of(item: pytest.Item) -> TestState:
    """The state of a running test."""
    state = item.stash[STATE]
    assert isinstance(state, TestState)
    return state


def stop_monitoring() -> None:
    """The run is over: take off what stays on between tests."""
    for feature in Feature.__subclasses__():
        feature.stop_monitoring()
