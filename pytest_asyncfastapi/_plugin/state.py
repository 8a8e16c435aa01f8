"""What one test has: its settings, its findings, and the packages that it uses.

Lives on `item.stash`, so that tests, threads and workers never see each
other's. Every package is imported when the test first needs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from .._core.findings import Finding, FindingLog, swallowed_deadlock
from .._core.frames import UserCode
from . import blocking, configured_faults, coverage, explore, virtual_time
from . import settings as settings_table
from .checks import Checks
from .claims import OUR_FIXTURES
from .concurrency import ConcurrencyFeature
from .config_advice import in_syntax
from .dependency_overrides import OverrideWatch
from .inline_explore import InlineExploration
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._app.dependency_faults import DependencyFaultInjector
    from .._blocking import BlockingGuard
    from .._client.protocols import ClientFaultEffects
    from .._clock import VirtualClock
    from .._explore.model import Explored
    from .._explore.run_observer import Probe
    from .._faults import Faults
    from .._faults.client import ClientFaultPlan
    from .._faults.rule import FaultRule
    from .._recording.recorder import TimelineRecorder
    from .._upstream.call_log import Exchange, OpenExchange
    from .._upstream.scope import UpstreamScope
    from .chosen import Mode
    from .reporting import ReportData

_PATIENCE = 600.0  # virtual seconds that a stalled call waits for a budget of the app's
USER_CODE = pytest.StashKey[UserCode]()
STATE = pytest.StashKey["TestState"]()
RUNNING = pytest.StashKey["TestState"]()  # of the configuration: of the test that has not ended


class TestState:
    """One test while it runs. Features are created on first use."""

    __test__ = False  # not a test class, whatever its name says

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.test = item.nodeid
        self.settings = settings_table.for_item(item.config.stash[SETTINGS], item)
        # One for the whole run, since it remembers every file that it has judged.
        self.user_code = item.config.stash.setdefault(USER_CODE, UserCode(item.config.rootpath))
        self.log = FindingLog()
        self.reported: list[Finding] = []  # what the reports of earlier phases already carry
        self.notes: list[str] = []
        self.carried: ReportData | None = None
        self.deadlock = ""
        self.deadlock_reported = False  # by an error that a phase has ended with
        self.baselined: list[Any] = []  # blocking calls that the baseline has
        self.passed = True
        self.on_deadlock: Callable[[str], None] | None = None
        self.fixtures = frozenset(getattr(item, "fixturenames", ()))
        self.uses_plugin_fixtures = bool(self.fixtures & OUR_FIXTURES)
        self.wants_clock = "clock" in self.fixtures or self.settings.clock in ("freeze", "flow")
        self.guard: BlockingGuard | None = None
        self.in_body = False  # and not in the set-up or teardown of its fixtures
        self.recording: TimelineRecorder | None = None
        if self.settings.records:
            from .._recording.recorder import TimelineRecorder

            self.recording = TimelineRecorder(self.user_code)
        self.concurrency = ConcurrencyFeature(self)
        self.checks = Checks(self)
        self._clock: VirtualClock | None = None
        self._scope: UpstreamScope | None = None
        self.configured_rules: dict[str, FaultRule] = {}  # the faults of the whole run
        self.find_app: Callable[[], Any] = lambda: None
        self._dependency_faults: DependencyFaultInjector | None = None
        # Exploring: what listens in this run, and what the runs before it came to.
        self.probe: Probe | None = None
        self.explored: list[Explored] = []
        self._findings_by_phase: dict[
            str, list[Finding]
        ] = {}  # what the packages saw by the end of a phase
        self.repeated = False
        self.inline_exploration = InlineExploration(self)  # inside of the body
        self.override_watch = OverrideWatch(item.config)

    # The blocking guard

    @property
    def guard_mode(self) -> Mode:
        """`fail`, `raise`, `warn` or `off`: what `auto` means for this test."""
        mode = self.settings.blocking
        if mode == "auto":
            return "fail" if self.uses_plugin_fixtures else "off"
        return mode

    def open_guard(self) -> BlockingGuard:
        """The guard, made if the test asks for it although the settings have it off."""
        if self.guard is None:
            self.guard = blocking.create_guard(self)
        return self.guard

    @property
    def is_explored(self) -> bool:
        """Is the test run under other conditions too, in which other routes are called?"""
        return self.probe is not None or bool(self.explored)

    # Upstream and faults

    @property
    def scope(self) -> UpstreamScope:
        """Upstream routing and faults of this test; active from the first use on."""
        if self._scope is None:
            self._scope = configured_faults.open_scope(self)
            self._scope.patience = lambda: _PATIENCE if self.on_virtual_time else 0.0
            self.configured_rules = configured_faults.add(
                self._scope.faults, self.settings, self.item
            )
            self._scope.activate()
        return self._scope

    @property
    def faults(self) -> Faults:
        """The faults of this test."""
        return self.scope.faults

    def client_fault_for(self, request: Any) -> ClientFaultEffects | None:
        """What goes wrong with this request of `asgi_client`, if anything does."""
        if self._scope is not None:
            self.install_dependency_faults()  # a dependency may have been overridden since
        plan = self.client_fault(request)
        return plan if self.probe is None else self.probe.plan(plan)

    def client_fault(self, request: Any) -> ClientFaultPlan | None:
        """What `faults.client` has for this request; of clients of `open_app()` too."""
        return None if self._scope is None else self._scope.faults.client.decide(request)

    def install_dependency_faults(self) -> None:
        """Put the faults of dependencies into the app, once both are known."""
        if self._scope is None or not len(self._scope.faults.dependencies):
            return
        if self._dependency_faults is None:
            app = self.find_app()
            if app is None:
                return
            from .._app.dependency_faults import DependencyFaultInjector

            self._dependency_faults = DependencyFaultInjector(app, self._scope.faults.dependencies)
        self._dependency_faults.install()

    def exchanges(self) -> tuple[Exchange, ...]:
        """Every upstream call of this test, and its round trips, in the order of their begin."""
        return tuple(call.snapshot() for call in self.open_exchanges())

    def open_exchanges(self) -> list[OpenExchange]:
        """The same calls with what a report wants of them beside."""
        return configured_faults.open_exchanges(self)

    # Virtual time

    @property
    def clock(self) -> VirtualClock:
        """Virtual time of this test; it runs once it is installed on a loop."""
        if self._clock is None:
            from .._clock import VirtualClock

            self._clock = VirtualClock(
                policy="flow" if self.settings.clock == "flow" else "freeze",
                freeze_bound=self.settings.freeze_bound,
            )
            self._clock.on_deadlock = self._deadlocked
        return self._clock

    def _deadlocked(self, report: str) -> None:
        """Nothing can ever happen again: fail the body, or whatever runs instead of it."""
        if self.on_deadlock is not None:
            self.on_deadlock(report)
        else:
            self.deadlock = report
            raise RuntimeError(report)

    @property
    def on_virtual_time(self) -> bool:
        """Is virtual time on at this moment?"""
        return self._clock is not None and self._clock.installed

    def request_virtual_time(self) -> None:
        """Turn virtual time on for the rest of the test: now, or as soon as its loop runs."""
        if self.settings.clock == "off":
            return
        self.wants_clock = True
        self.start_clock()

    def disable_virtual_time(self) -> None:
        """A real server takes part: no virtual time, unless the test itself asks for it."""
        if "clock" not in getattr(self.item, "fixturenames", ()):
            self.wants_clock = False
            self.scope.faults.needs_clock = None
            self.close_clock()

    def start_clock(self, *, required: bool = False) -> None:
        """Install virtual time on the running loop, if this test wants it.

        Where it cannot be had (uvloop) a test that only injects a delay runs in
        real time, with a note; one that asks for `clock` gets the error.
        """
        if (self.wants_clock or required) and not self.on_virtual_time:
            virtual_time.install(self, required=required)

    def reseed(self, seed: int | None, now: float) -> None:
        """Let the faults begin again at `now`, with the draws of `seed`: a scenario runs anew."""
        if self._scope is not None:
            self.faults._restart(seed, now)

    def note(self, text: str) -> None:
        """Something to know that is not a finding; shown at the end of the run."""
        if text and text not in self.notes:
            self.notes.append(text)

    def begin(self) -> None:
        """Before the fixtures are set up."""
        if self.uses_plugin_fixtures and "asgi_client" in self.fixtures:
            from .open_app import preload

            try:
                preload(self.settings.client)
            except ImportError as error:
                raise pytest.UsageError(f"{self.test}: {error}") from None
        self.concurrency.begin()
        self.checks.begin()
        blocking.setup(self)
        if configured_faults.needs_scope(self):
            configured_faults.begin(self)

    def collect(self, *, passed: bool, ended: bool = False) -> None:
        """Move what the packages have seen so far into the log; `ended` when it is all."""
        phase = "teardown" if ended else "call"
        if not self.repeated:
            self._findings_by_phase[phase] = self._findings_of_features(passed=passed, ended=ended)
        found = [*self._findings_by_phase.get(phase, ())]
        failed = not passed and not ended
        found.extend(explore.exploration_findings(self, passed=passed and not ended, failed=failed))
        if self.deadlock and not self.deadlock_reported:
            found.append(swallowed_deadlock(self.deadlock))
        self.log = FindingLog()
        for finding in found:
            allow = in_syntax(self.item.config, finding.allow)
            self.log.add(replace(finding, test=finding.test or self.test, allow=allow))

    def _findings_of_features(self, *, passed: bool, ended: bool) -> list[Finding]:
        found: list[Finding] = []
        if self.guard is not None:
            found.extend(blocking.split_by_baseline(self, self.guard))
            self.note(self.guard.not_watched and f"not watched: {self.guard.not_watched}")
            if passed and ended:
                for note in blocking.unused_markers(self.item, self.guard):
                    self.note(note)
        for note in self._clock.notes if self._clock is not None else ():
            self.note(note)
        if self._scope is not None:
            found.extend(self._scope.findings(passed=passed and not self.is_explored))
        found.extend(self.concurrency.findings())
        found.extend(self.checks.findings(ended=ended))
        found.extend(self.override_watch.findings(self.test) if ended else ())
        return found

    def repeat(self) -> None:
        """The phases of this run, which has ended, are reported again, with what came of it."""
        self.repeated = self.passed = True
        self.deadlock_reported = False
        self.reported, self.carried = [], None

    def unreported_findings(self) -> list[Finding]:
        """The findings that no report has carried yet."""
        told = {finding.place for finding in self.reported}
        fresh = [finding for finding in self.log if finding.place not in told]
        self.reported.extend(fresh)
        return fresh

    def session_data(self) -> dict[str, Any]:
        """What only the reports of all tests together can judge, as plain data."""
        return {**blocking.session_data(self), **configured_faults.session_data(self)}

    def replay_hint(self) -> str:
        """The line that replays what was drawn at random, if anything was."""
        if self._scope is None or not self.faults._is_random:
            return ""
        return f"replay with --asyncfastapi-seed={self.settings.seed}"

    def close_clock(self) -> None:
        """Back to real time: the loop may be used by the next test too."""
        if self._clock is not None:
            self._clock.uninstall()

    def end(self, *, judge: bool = True) -> None:
        """After the fixtures are torn down; without a verdict for a test that was interrupted."""
        self.close_clock()
        self.concurrency.end(judge=judge)
        self.checks.end()
        coverage.end(self)
        if self._scope is not None:
            self._scope.deactivate()
        if self._dependency_faults is not None:
            self._dependency_faults.restore()
        if self.guard is not None:
            self.guard.stop()
        if self.recording is not None:
            self.recording.stop()

    def __repr__(self) -> str:
        return f"<TestState of {self.test}: {self.log!r}>"


def state_of(item: pytest.Item) -> TestState:
    """The state of a running test."""
    return item.stash[STATE]
