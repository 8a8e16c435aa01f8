"""What a test has of `_checks/`: habits of the app, judged from what was seen in it anyway."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._checks.database import DatabaseWatch
    from .._checks.queries import Queries
    from .._checks.rules import Policy
    from .._core.findings import Finding


def stop_monitoring() -> None:
    """Listen to no database; nothing if nobody did."""
    module = sys.modules.get("pytest_asyncfastapi._checks.sqlalchemy_events")
    if module is not None:
        module.silence()


class Checks:
    """`_checks`, for one test."""

    def __init__(self, state: Any) -> None:
        self._state = state
        mode = state.settings.checks
        self.mode = ("warn" if mode == "auto" else mode) if state.uses_plugin_fixtures else "off"
        self._database: DatabaseWatch | None = None
        self._unbounded: list[Any] = []

    @property
    def policy(self) -> Policy:
        """What each check does in this test."""
        from .._checks.rules import Policy

        settings = self._state.settings
        return Policy(
            self.mode,
            settings.check if self._state.uses_plugin_fixtures else (),
            settings.allow_checks,
            settings.fan_out,
            settings.equal_statements,
            self._state.test,
        )

    @property
    def on(self) -> bool:
        """Is any check on?"""
        return self.mode != "off" or bool(
            self._state.uses_plugin_fixtures and self._state.settings.check
        )

    def begin(self) -> None:
        """Before the fixtures are set up."""
        if self.on:
            self.refresh()
            self._hear_calls(self._is_unbounded)
        else:
            stop_monitoring()

    def _hear_calls(self, receiver: Any) -> None:
        """Receive calls without a limit, whoever answers them: respx, pytest-httpx, a server."""
        hub = sys.modules.get("pytest_asyncfastapi._concurrency.instrumentation")
        if hub is not None:
            hub.INSTRUMENTATION.on_unbounded = receiver

    def _is_unbounded(self, request: Any, frame: Any) -> None:
        from .._upstream.call_log import CallRecorder

        library = type(request).__module__.partition(".")[0]
        recorder = CallRecorder(self._state.user_code)
        self._unbounded.append(recorder.begin(request, library, 0.0, frame))

    def refresh(self) -> None:
        """Record SQLAlchemy's events, if it has been imported by now."""
        if "sqlalchemy.pool" in sys.modules and (self.on or self._database is not None):
            self.open_database().start()

    def open_database(self) -> DatabaseWatch:
        """What is known of the test's databases."""
        if self._database is None:
            from .._checks.database import DatabaseWatch

            watching = self._state.concurrency
            self._database = DatabaseWatch(
                self._state.user_code,
                self.policy,
                lambda: watching.wide,
            )
        return self._database

    @property
    def queries(self) -> Queries:
        """The statements that are sent from now on."""
        from .._checks.queries import Queries

        found = Queries()
        database = self.open_database()
        database.listeners.append(found._hears)
        database.start()
        return found

    def end(self) -> None:
        """After the fixtures are torn down."""
        self._hear_calls(None)
        if self._database is not None:
            self._database.stop()

    def findings(self, *, ended: bool) -> list[Finding]:
        """What the app does that breaks under load or trouble; a sweep judges by itself."""
        state = self._state
        if not self.on or state.is_explored or state.inline_exploration.explored:
            return []
        found = [*self._of_calls()]
        if self._database is not None:
            found += self._database.findings(ended=ended)
        return self.policy.sorted_out(found) if found else []

    def _of_calls(self) -> list[Finding]:
        state = self._state
        calls = [] if state._scope is None else state._scope.recorder.calls_from(0)
        if not (calls or self._unbounded):
            return []
        from .._checks import failed_calls, upstream_calls

        policy, user = self.policy, state.user_code
        found = [*upstream_calls.no_timeout([*calls, *self._unbounded], policy)]
        found += upstream_calls.fan_out(calls, policy, user)
        found += failed_calls.unsafe_retries(calls, policy)
        found += failed_calls.swallowed(calls, policy, user)
        return found

    def __repr__(self) -> str:
        return f"<Checks of {self._state.test}: {self.mode}>"
