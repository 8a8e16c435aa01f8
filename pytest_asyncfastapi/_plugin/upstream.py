"""What one test has of the ways out of its app: upstream calls, connections, and faults on both."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._core.call_each import call_each
from .._core.findings import FindingLog
from .feature import Feature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from .._app.dependency_faults import DependencyFaultInjector
    from .._connections.network_policy import Refusing
    from .._connections.scope import Connections
    from .._core.findings import Finding, Location
    from .._faults import Faults
    from .._faults.client import ClientFaultPlan
    from .._faults.rule import FaultRule
    from .._upstream.call_log import CallRecorder, Exchange, OpenExchange
    from .._upstream.scope import UpstreamScope
    from .explore_feature import ExploreFeature
    from .feature import App, TestContext
    from .virtual_time import ClockFeature

PATIENCE = 600.0  # virtual seconds that a stalled call waits for a budget of the app's


def _no_app() -> None:
    return None


class UpstreamFeature(Feature):
    """`_upstream`, `_connections` and `_faults`, for one test."""

    def __init__(self, test: TestContext, time: ClockFeature, explore: ExploreFeature) -> None:
        super().__init__(test)
        self._time = time
        self._explore = explore
        self.opened: UpstreamScope | None = None
        self.connections: Connections | None = None
        self.round_trips: CallRecorder | None = None
        self.find_app: Callable[[], App | None] = _no_app
        self._dependency_faults: DependencyFaultInjector | None = None
        self._run_rules: dict[str, FaultRule] = {}  # the faults of the whole run, by their text
        self._network_log = FindingLog()
        self._refusing: Refusing | None = None
        # Does the test ask for routes or faults before it begins?
        self.is_wanted = self._is_wanted()

    # When it takes part

    def _is_wanted(self) -> bool:
        test = self.test
        asked = bool(test.fixtures & {"upstream", "faults"}) or bool(test.settings.fault)
        asked = asked or (test.uses_plugin_fixtures and test.settings.app_scope != "function")
        return asked or "faults" in test.markers

    def begin(self) -> None:
        """Take part before the app starts, if at all.

        So that its clients share a TLS context from the first on, and that the connections
        that it opens are seen.
        """
        self._refusing = self._refuse_network()
        if self.is_wanted:
            _ = self.scope
        fixtures = self.test.fixtures
        recorded = self.test.recording is not None or "load" in fixtures
        if "upstream" in fixtures or (recorded and self.test.uses_plugin_fixtures):
            self.record_round_trips()

    def set_wide(self, wide: bool) -> None:
        """A wider fixture may reach the network."""
        if self._refusing is not None:
            self._refusing.paused = wide

    def end(self, *, judge: bool) -> None:
        """After the leaked tasks have been ended, which may call once more."""
        ends: list[Callable[[], None]] = []
        if self.connections is not None:
            ends.append(self.connections.deactivate)
        if self._refusing is not None:
            ends.append(self._refusing.stop)
        if self.opened is not None:
            ends.append(self.opened.deactivate)
        if self._dependency_faults is not None:
            ends.append(self._dependency_faults.restore)
        call_each(*ends)

    # Upstream calls and their faults

    @property
    def scope(self) -> UpstreamScope:
        """Upstream routing and faults of this test; active from the first use on."""
        if self.opened is None:
            from . import configured_faults

            self.opened = scope = self._open_scope()
            scope.patience = lambda: PATIENCE if self._time.on else 0.0
            self._run_rules = configured_faults.add(
                scope.faults, self.test.settings, self.test.item
            )
            scope.activate()
        return self.opened

    @property
    def faults(self) -> Faults:
        """The faults of this test."""
        return self.scope.faults

    def _open_scope(self) -> UpstreamScope:
        """Routes and faults for this test; not active yet."""
        from .._faults import Faults
        from .._upstream.scope import UpstreamScope

        test, settings = self.test, self.test.settings
        faults = Faults(settings.seed, test.test, user_code=test.user_code)
        faults.needs_clock = self._time.request
        scope = UpstreamScope(
            user_code=test.user_code,
            faults=faults,
            unrouted=settings.unrouted,
            passthrough=settings.passthrough,
            test=test.test,
        )
        scope.tapes = settings.tapes
        scope.on_serve = self._on_serve
        scope.recorder.clock_origins = faults._clock_origins = test.clock_origins
        if test.recording is not None:
            scope.recorder.keeps_responses = True  # for their heads and bodies
        faults.dependencies._on_change = self.install_dependency_faults
        wide = settings.app_scope != "function"  # what is opened now is there in later tests
        # Or they are recorded already.
        if wide or "faults" in test.fixtures or self.connections is not None:
            self._open_connections(scope)
        else:
            faults.connections._on_change = lambda: self._open_connections(scope)
        return scope

    def _on_serve(self) -> None:
        """A real server takes part: no virtual time, unless the test itself asks for it."""
        if "clock" not in self.test.fixtures:
            self.scope.faults.needs_clock = None
            self._time.disable()

    def reseed(self, seed: int | None, now: float) -> None:
        """Let the faults begin again at `now`, with the draws of `seed`: a scenario runs anew."""
        if self.opened is not None:
            self.opened.faults._restart(seed, now)

    def replay_hint(self) -> str:
        """The line that replays what was drawn at random, if anything was."""
        if self.opened is None or not self.opened.faults._is_random:
            return ""
        return f"replay with --asyncfastapi-seed={self.test.settings.seed}"

    # Faults on the way in

    def client_fault(self, request: Any) -> ClientFaultPlan | None:
        """What `faults.client` has for this request; of clients of `open_app()` too."""
        return None if self.opened is None else self.opened.faults.client.decide(request)

    def install_dependency_faults(self) -> None:
        """Put the faults of dependencies into the app, once both are known."""
        if self.opened is None or not len(self.opened.faults.dependencies):
            return
        if self._dependency_faults is None:
            app = self.find_app()
            if app is None:
                return
            from .._app.dependency_faults import DependencyFaultInjector

            self._dependency_faults = DependencyFaultInjector(app, self.opened.faults.dependencies)
        self._dependency_faults.install()

    # Connections

    def record_round_trips(self) -> CallRecorder:
        """Record every exchange with a database or cache from now on, in this recorder."""
        from .._upstream.call_log import CallRecorder

        if self.round_trips is None:
            self.round_trips = CallRecorder(self.test.user_code)
            self._open_connections(self.opened)
        return self.round_trips

    def _open_connections(self, scope: UpstreamScope | None) -> None:
        """Let faults strike connections to databases, caches and brokers, from now on.

        Without a `scope` there are no faults: they are only recorded.
        """
        from .._connections.scope import Connections
        from .._faults import Faults
        from .._upstream.call_log import CallRecorder

        if self.connections is not None:
            self.connections.deactivate()
        recorder = self.round_trips or CallRecorder(self.test.user_code)
        recorder.clock_origins = self.test.clock_origins
        faults = Faults() if scope is None else scope.faults
        self.connections = Connections(
            faults.connections,
            where=recorder.where,
            patience=lambda: 0.0 if scope is None else scope.patience(),
            log=self._network_log.add if scope is None else scope.call_policy.log.add,
            test=self.test.test,
            records=self.round_trips,
        )
        self.connections.activate()
        self.connections.refresh()

    def _refuse_network(self) -> Refusing | None:
        """Refuse connections to the public network; None where the test wants some."""
        test, settings = self.test, self.test.settings
        lets_out = settings.unrouted != "fail" or settings.tapes == "record"
        if not test.uses_plugin_fixtures or settings.network == "allow" or lets_out:
            return None
        from .._connections.network_policy import Refusing

        def where(frame: FrameType) -> Location | None:
            from .._upstream.call_log import CallRecorder

            return CallRecorder(test.user_code).where(frame)

        def goes_out() -> bool:
            peer = sys.modules.get("pytest_asyncfastapi._upstream.script")
            return peer is not None and bool(peer.REAL.get())

        refusing = Refusing(
            where=where,
            log=self._network_log.add,
            allowed=settings.passthrough,
            goes_out=goes_out,
            warn=settings.network == "warn",
            test=test.test,
        )
        refusing.start()
        return refusing

    # What was seen

    def calls(self) -> list[OpenExchange]:
        """Every upstream call."""
        return [] if self.opened is None else self.opened.recorder.calls_from(0)

    def open_exchanges(self) -> list[OpenExchange]:
        """Every upstream call, and round trip that was recorded, in the order of their begin."""
        round_trips = self.round_trips
        if round_trips is None or not round_trips.count:
            return self.calls()
        return sorted(
            [*self.calls(), *round_trips.calls_from(0)],
            key=lambda call: call.started - call.clock_origin,
        )

    def exchanges(self) -> tuple[Exchange, ...]:
        """The same as they are at this moment."""
        return tuple(call.snapshot() for call in self.open_exchanges())

    def findings(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """Calls without a route, faults that did not strike, connections to the public network.

        Where the test is explored, other routes are called under other conditions.
        """
        if self.opened is None:
            return self._network_log
        passed = passed and not self._explore.is_explored
        return [*self.opened.findings(passed=passed), *self._network_log]

    def session_data(self) -> dict[str, Any]:
        """What became of the faults of the run in this test; nothing where there are none."""
        if not self._run_rules:
            return {}
        from .._core.unsupported_clients import in_users_code

        calls = () if self.opened is None else self.opened.recorder.exchanges
        faults = {
            spec: {"hits": rule.hits, "seen": rule.seen, "powerless": rule.powerless}
            for spec, rule in self._run_rules.items()
        }
        hosts = [*dict.fromkeys(urlsplit(call.url).netloc for call in calls)]
        unseen = [] if calls else [*in_users_code(self.test.user_code)]
        return {"faults": faults, "hosts": hosts, "unseen": unseen}
