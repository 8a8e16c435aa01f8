"""What a test has of `concurrency/` and `connections/`: its watch, its deadline, its loads.

Beside `state.py`, which holds one for each test; imports the package when a test
needs it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING, Any

from .._core.findings import FindingLog
from . import configured_faults

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .._concurrency import LeakDetector
    from .._concurrency.load import Load
    from .._concurrency.thread_pool import Threads
    from .._connections.network_policy import Refusing
    from .._connections.scope import Connections
    from .._core.findings import Finding
    from .._upstream.call_log import CallRecorder
    from .state import TestState

_C_LOOPS = ("uvloop", "winloop")
_USERS = frozenset({"load", "threads"})


def stop_monitoring() -> None:
    """Nobody is to watch for now, not even between two tests; nothing if nobody did."""
    hub = sys.modules.get("pytest_asyncfastapi._concurrency.instrumentation")
    if hub is not None:
        hub.INSTRUMENTATION.stop()


class ConcurrencyFeature:
    """`_concurrency`, for one test."""

    def __init__(self, state: TestState) -> None:
        self._state = state
        self.watch: LeakDetector | None = None
        self.connections: Connections | None = None
        self.round_trips: CallRecorder | None = None
        self.refused = FindingLog()
        self._refusing: Refusing | None = None
        self.wide = False  # what is made now lasts longer than the test
        self._in_c = False  # the loop takes its steps in C, where nobody times them

    def _mode(self, given: str) -> str:
        """What `auto` means for this test."""
        from .claims import is_async_test

        if self._state.uses_plugin_fixtures:
            return "warn" if given == "auto" else given
        return "off" if given == "auto" or not is_async_test(self._state.item) else given

    def begin(self) -> None:
        """Watch, if anybody will look at what is seen."""
        self._refusing = configured_faults.refuse_network(self._state)
        if self._state.uses_plugin_fixtures and (
            self._state.recording or "load" in self._state.fixtures
        ):
            self.record_round_trips()
        settings = self._state.settings
        names = _USERS & set(getattr(self._state.item, "fixturenames", ()))
        asked = (settings.leaks, settings.threads)
        wanted = any(self._mode(mode) != "off" for mode in asked)
        if wanted or names or settings.timeout:
            self.open()
        elif self._state.guard_mode != "off" or configured_faults.needs_scope(self._state):
            self.open(tasks_only=True)  # a call is placed by who created its task
        else:
            stop_monitoring()  # an unobserved test is not slowed by the last one

    def open(self, *, tasks_only: bool = False) -> LeakDetector:
        """The watch; begun if it was not, or only for the creators of tasks."""
        if self.watch is not None and self.watch.tasks_only and not tasks_only:
            self.watch.stop()
            self.watch = None
        if self.watch is None:
            from .._concurrency import LeakDetector

            settings = self._state.settings
            leaks: Any = self._mode(settings.leaks)
            self.watch = LeakDetector(
                self._state.user_code,
                test=self._state.test,
                leaks=leaks,
                allow=settings.allow_leaks,
                lasting=settings.app_scope != "function",
                tasks_only=tasks_only,
            )
            self.watch.lingers = True
            self.watch.start()
        return self.watch

    def record_round_trips(self) -> CallRecorder:
        """Record every exchange with a database or cache from now on, in this recorder."""
        from .._upstream.call_log import CallRecorder

        if self.round_trips is None:
            self.round_trips = CallRecorder(self._state.user_code)
            configured_faults.open_connections(self._state, self._state._scope)
        return self.round_trips

    def on_loop(self) -> None:
        """The test has a running loop now."""
        loop = asyncio._get_running_loop()
        self._in_c = loop is not None and type(loop).__module__.startswith(_C_LOOPS)
        if self._state.recording is not None:
            self._state.recording.on_loop()
        if self.watch is not None:
            self.watch.on_loop()
        self._state.checks.refresh()

    def set_exempt(self, wide: bool) -> bool:
        """What is made from now on lasts longer than the test, or not; returns what held before."""
        if self._refusing is not None:
            self._refusing.paused = wide
        before, self.wide = self.wide, wide
        if self.watch is not None:
            self.watch.exempt = wide
        return before

    def end(self, *, judge: bool) -> None:
        """After the fixtures are torn down: nobody watches any more."""
        if self.watch is not None:
            if not judge:
                self.watch.leaks = "off"
            self.watch.stop()
        if self.connections is not None:
            self.connections.deactivate()
        if self._refusing is not None:
            self._refusing.stop()

    def findings(self) -> list[Finding]:
        """Leaks, a pool that was exhausted, connections to the public network."""
        if self.watch is None:
            return list(self.refused)
        from .._concurrency.thread_pool import findings

        found = [*self.refused, *self.watch.findings()]
        mode = self._mode(self._state.settings.threads)
        if mode != "off":
            found += findings(self.watch.threads.pools, mode, self._state.test)
        return found

    @property
    def threads(self) -> Threads:
        """The thread pools, as this test used them."""
        return self.open().threads

    # The deadline

    async def run_with_deadline(self, body: Awaitable[Any], seconds: float) -> Any:
        """Await the body of the test, within its deadline."""
        import pytest

        from .._concurrency.deadline import Deadline, DeadlinePassed

        __tracebackhide__ = True
        try:
            return await Deadline(seconds, self._state.test, self._dump).bound(body)
        except DeadlinePassed as passed:
            cause = passed.__cause__
            raise pytest.fail.Exception(str(passed), pytrace=False) from cause

    def _dump(self, text: str) -> None:
        """Past pytest's capture, since the process may have to be killed next."""
        try:
            from _pytest.faulthandler import fault_handler_stderr_fd_key as key

            os.write(self._state.item.config.stash[key], f"\n{text}\n".encode())
        except (ImportError, KeyError, OSError):
            print(text, file=sys.__stderr__, flush=True)

    # Loads and the loop's lag

    @property
    def load(self) -> Load:
        """`await load(request, n=..., concurrency=...)`."""
        from .._concurrency.load import Load

        self.open()
        return Load(self)

    def swap_threads(self, threads: Threads) -> Threads:
        """See `load.Meters`."""
        return self.open().swap_threads(threads)

    def step_times(self) -> list[float]:
        """See `load.Meters`; none while the blocking guard, which times the steps, is off."""
        guard = self._state.guard
        return [] if guard is None else guard.step_times()

    def upstream_calls(self) -> list[tuple[float, float]] | None:
        """See `load.Meters`."""
        calls = self._state.exchanges()
        if self._state._scope is None and not calls:
            return None
        return [(call.started, inf if call.ended is None else call.ended) for call in calls]

    def lag(self) -> dict[str, Any] | None:
        """The loop's lag in this test as plain data; None if nothing has run."""
        from .._concurrency.loop_lag import loop_lag

        lag = loop_lag(self.step_times())
        if lag is None and self._in_c:
            self._state.note(
                "loop lag: not measured on uvloop, which takes its steps in C, where they cannot "
                "be timed; run the test on asyncio's own loop"
            )
        return None if lag is None else asdict(lag)

    def __repr__(self) -> str:
        return f"<ConcurrencyFeature {self._state.test}: {self.watch!r}>"
