"""What a test has of `_checks/`: habits of the app, judged from what was seen in it anyway."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from .._checks.database import DatabaseWatch
    from .._checks.queries import Queries
    from .._checks.rules import Policy
    from .._core.findings import Finding
    from .._upstream.call_log import OpenExchange
    from .explore_feature import ExploreFeature
    from .feature import TestContext
    from .upstream import UpstreamFeature


class ChecksFeature(Feature):
    """`_checks`, for one test."""

    def __init__(
        self, test: TestContext, upstream: UpstreamFeature, explore: ExploreFeature
    ) -> None:
        super().__init__(test)
        self._upstream = upstream
        self._explore = explore
        mode = test.settings.checks
        self.mode = ("warn" if mode == "auto" else mode) if test.uses_plugin_fixtures else "off"
        self._database: DatabaseWatch | None = None
        self._unbounded: list[OpenExchange] = []

    @staticmethod
    def stop_monitoring() -> None:
        """Listen to no database."""
        module = sys.modules.get("pytest_asyncfastapi._checks.sqlalchemy_events")
        if module is not None:
            module.silence()

    @property
    def policy(self) -> Policy:
        """What each check does in this test."""
        from .._checks.rules import Policy

        settings = self.test.settings
        return Policy(
            self.mode,
            settings.check if self.test.uses_plugin_fixtures else (),
            settings.allow_checks,
            settings.fan_out,
            settings.equal_statements,
            self.test.test,
        )

    @property
    def on(self) -> bool:
        """Is any check on?"""
        return self.mode != "off" or bool(
            self.test.uses_plugin_fixtures and self.test.settings.check
        )

    def begin(self) -> None:
        """Receive calls without a limit, whoever answers them: respx, pytest-httpx, a server."""
        if self.on:
            from .._concurrency.instrumentation import INSTRUMENTATION

            INSTRUMENTATION.on_unbounded = self._is_unbounded
            self._refresh()
        else:
            self.stop_monitoring()

    def _is_unbounded(self, request: Any, frame: FrameType) -> None:
        from .._upstream.call_log import CallRecorder

        library = type(request).__module__.partition(".")[0]
        recorder = CallRecorder(self.test.user_code)
        self._unbounded.append(recorder.begin(request, library, 0.0, frame))

    def on_loop(self) -> None:
        """The app may have imported SQLAlchemy by now."""
        self._refresh()

    def _refresh(self) -> None:
        """Record SQLAlchemy's events, if it has been imported."""
        if "sqlalchemy.pool" in sys.modules and (self.on or self._database is not None):
            self._open_database().start()

    def _open_database(self) -> DatabaseWatch:
        """What is known of the test's databases."""
        if self._database is None:
            from .._checks.database import DatabaseWatch

            test = self.test
            self._database = DatabaseWatch(test.user_code, self.policy, lambda: test.wide)
        return self._database

    @property
    def queries(self) -> Queries:
        """The statements that are sent from now on."""
        from .._checks.queries import Queries

        found = Queries()
        database = self._open_database()
        database.listeners.append(found._hears)
        database.start()
        return found

    def end(self, *, judge: bool) -> None:
        """After the leaked tasks have been ended, which may give their connections back."""
        module = sys.modules.get("pytest_asyncfastapi._concurrency.instrumentation")
        if module is not None:
            module.INSTRUMENTATION.on_unbounded = None
        if self._database is not None:
            self._database.stop()

    def findings(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """What the app does that breaks under load or trouble; a sweep judges by itself."""
        explored = self._explore.is_explored or self._explore.inline.explored
        if not self.on or explored:
            return []
        found = [*self._of_calls()]
        if self._database is not None:
            found += self._database.findings(ended=ended)
        return self.policy.sorted_out(found) if found else []

    def _of_calls(self) -> Iterator[Finding]:
        calls = self._upstream.calls()
        if not (calls or self._unbounded):
            return
        from .._checks import failed_calls, upstream_calls

        policy, user = self.policy, self.test.user_code
        yield from upstream_calls.no_timeout([*calls, *self._unbounded], policy)
        yield from upstream_calls.fan_out(calls, policy, user)
        yield from failed_calls.unsafe_retries(calls, policy)
        yield from failed_calls.swallowed(calls, policy, user)
