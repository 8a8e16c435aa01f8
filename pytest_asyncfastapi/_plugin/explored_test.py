"""A test as an exploration sees it: one run of it, or one run of a scenario inside its body.

Both meet `RunState` of `_explore/model.py`. They see several features; no feature sees them.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from .._core.findings import FindingLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from .._core.findings import Finding
    from .._explore.model import RunProbe, RunState
    from .._explore.run_observer import SweepProbe
    from .._faults import Faults
    from .._upstream.scope import UpstreamScope
    from .blocking import BlockingFeature
    from .chosen import Settings
    from .concurrency import ConcurrencyFeature
    from .explore_feature import ExploreFeature
    from .feature import TestContext
    from .recording import RecordingFeature
    from .upstream import UpstreamFeature
    from .virtual_time import ClockFeature

    class Features(Protocol):
        """The features of a test that an exploration has a use for."""

        time: ClockFeature
        explore: ExploreFeature
        blocking: BlockingFeature
        upstream: UpstreamFeature
        concurrency: ConcurrencyFeature
        timeline: RecordingFeature


class _Run:
    """What both have."""

    def __init__(self, test: TestContext, features: Features) -> None:
        self.context = test
        self._features = features
        self.item = test.item
        self.test = test.test
        self.user_code = test.user_code
        self.note = test.note
        self.start_clock = features.time.start
        self.request_virtual_time = features.time.request
        self.record_round_trips = features.upstream.record_round_trips
        self.reseed = features.upstream.reseed
        self.client_fault = features.upstream.client_fault
        self.inline_exploration = features.explore.inline

    @property
    def settings(self) -> Settings:
        """Those of this run: a schedule has a seed of its own."""
        return self.context.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.context.settings = settings

    @property
    def scope(self) -> UpstreamScope:
        """The way out of the test."""
        return self._features.upstream.scope

    @property
    def faults(self) -> Faults:
        """The faults of the test."""
        return self._features.upstream.faults

    @property
    def on_virtual_time(self) -> bool:
        """Is virtual time on at this moment?"""
        return self._features.time.on

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.test}>"


class ExploredTest(_Run):
    """One run of a test."""

    @property
    def probe(self) -> RunProbe | None:
        """What listens in this run."""
        return self._features.explore.probe

    @probe.setter
    def probe(self, probe: RunProbe) -> None:
        self._features.explore.probe = probe

    @property
    def deadlock(self) -> str:
        """Who waits for what, once nothing can ever happen again."""
        return self._features.time.deadlock

    @property
    def wants_clock(self) -> bool:
        """Is virtual time on, or will it be as soon as the loop runs?"""
        return self._features.time.wanted

    @property
    def findings(self) -> list[Finding]:
        """What the features have seen."""
        return list(self.context.log)

    def record(self) -> dict[str, Any]:
        """What the run did, as it goes into a report; empty where nobody wants to know."""
        return self._features.timeline.to_data()

    def new_run(self) -> InlineRun:
        """For one run inside its body."""
        return InlineRun(self.context, self._features)


class InlineRun(_Run):
    """One run of many inside the body of a test; `findings` are those of the run."""

    def __init__(self, test: TestContext, features: Features) -> None:
        super().__init__(test, features)
        self.probe: SweepProbe | None = None
        self.deadlock = ""
        self.findings: list[Finding] = []

    @property
    def wants_clock(self) -> bool:
        """Is virtual time on? The loop runs."""
        return self.on_virtual_time

    def record(self) -> dict[str, Any]:
        """Nothing: the whole test has one record."""
        return {}

    @contextmanager
    def run(
        self, prepare: Callable[[RunState], None], end: Callable[[], None], *, forget: bool
    ) -> Iterator[None]:
        """Let `prepare` place its fault and probe; `end` is called where nothing can go on.

        Afterwards the fault is gone; `forget` says that so is what was wrong with calls.
        """
        from .._core.current_loop import now
        from .._upstream.suppressed import suppress_findings

        explore, time = self._features.explore, self._features.time
        self.reseed(None, now())

        def on_deadlock(report: str) -> None:
            self.deadlock = report
            end()

        before = time.on_deadlock
        with (
            self.faults._temporary_rules(),
            suppress_findings(self.scope) if forget else nullcontext(),
        ):
            prepare(self)
            assert self.probe is not None
            self.probe.attach_inline(self.inline_exploration.client)
            earlier = [what for what, _ in self._seen()]  # alive: no other object takes its `id`
            explore.probe, time.on_deadlock = self.probe, on_deadlock
            try:
                yield
            finally:
                self.probe.end()
                explore.probe, time.on_deadlock = None, before
                self.findings = self._new_findings(earlier)

    def _seen(self) -> list[tuple[object, Finding]]:
        """What is known by now: a finding, and the thing or place that it is about."""
        found: list[tuple[object, Finding]] = []
        found += [(item.place, item) for item in self._features.blocking.found()]
        watch = self._features.concurrency.watch
        if watch is not None:
            found += watch.leftovers()
            found += [(item.place, item) for item in watch.findings()]
        return found

    def _new_findings(self, earlier: list[object]) -> list[Finding]:
        known = {id(what) for what in earlier}
        places = {what for what in earlier if isinstance(what, tuple)}
        log = FindingLog()
        for item in self.scope.findings(passed=False):
            log.add(item)
        for what, item in self._seen():
            if id(what) not in known and not (isinstance(what, tuple) and what in places):
                log.add(item)
        return list(log)
