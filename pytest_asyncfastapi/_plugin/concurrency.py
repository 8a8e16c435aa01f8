"""What a test has of `_concurrency/`: its watch, its deadline, its loads."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, Literal

import pytest

from .claims import is_async_test
from .feature import Feature

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from .._concurrency.instrumentation import TaskRecorder
    from .._concurrency.leak_detector import LeakDetector, LeakMode
    from .._concurrency.load import Load
    from .._concurrency.thread_pool import Threads
    from .._core.findings import Finding
    from .blocking import BlockingFeature
    from .feature import Body, TestContext
    from .upstream import UpstreamFeature

_C_LOOPS = ("uvloop", "winloop")
_USERS = frozenset({"load", "threads"})


@cache
def _recorder_class() -> type[TaskRecorder]:
    from .._concurrency.instrumentation import TaskRecorder

    return TaskRecorder


class ConcurrencyFeature(Feature):
    """`_concurrency`, for one test."""

    def __init__(
        self, test: TestContext, blocking: BlockingFeature, upstream: UpstreamFeature
    ) -> None:
        super().__init__(test)
        self._blocking = blocking
        self._upstream = upstream
        self.watch: LeakDetector | None = None
        self._recorder: TaskRecorder | None = None  # in its place, in a test without a watch
        self._in_c = False  # the loop takes its steps in C, where nobody times them

    @staticmethod
    def stop_monitoring() -> None:
        """Nobody is to watch for now, not even between two tests."""
        hub = sys.modules.get("pytest_asyncfastapi._concurrency.instrumentation")
        if hub is not None:
            hub.INSTRUMENTATION.stop()

    def _mode(self, given: Literal["auto"] | LeakMode) -> LeakMode:
        """What `auto` means for this test."""
        if self.test.uses_plugin_fixtures:
            return "warn" if given == "auto" else given
        return "off" if given == "auto" or not is_async_test(self.test.item) else given

    def begin(self) -> None:
        """Watch, if anybody will look at what is seen."""
        settings = self.test.settings
        judged = self._mode(settings.leaks) != "off" or self._mode(settings.threads) != "off"
        if judged or _USERS & self.test.fixtures or settings.timeout:
            self.open()
        elif self._blocking.mode != "off" or self._upstream.is_wanted:
            # A call is placed by who created its task.
            self._recorder = _recorder_class()(self.test.user_code)
            self._recorder.start()
        else:
            self.stop_monitoring()  # an unobserved test is not slowed by the last one

    def open(self) -> LeakDetector:
        """The watch; begun if it was not."""
        if self.watch is None:
            from .._concurrency.leak_detector import LeakDetector

            if self._recorder is not None:
                self._recorder.stop()
                self._recorder = None
            settings = self.test.settings
            self.watch = LeakDetector(
                self.test.user_code,
                test=self.test.test,
                leaks=self._mode(settings.leaks),
                allow=settings.allow_leaks,
                lasting=settings.app_scope != "function",
            )
            self.watch.lingers = True
            self.watch.start()
        return self.watch

    def on_loop(self) -> None:
        """Record what can only be seen from inside the loop."""
        loop = asyncio._get_running_loop()
        self._in_c = loop is not None and type(loop).__module__.startswith(_C_LOOPS)
        if (observer := self.watch or self._recorder) is not None:
            observer.on_loop()

    def set_wide(self, wide: bool) -> None:
        """What a wider fixture makes is not the test's to end."""
        if (observer := self.watch or self._recorder) is not None:
            observer.exempt = wide

    def findings(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """Leaks, and a pool that was exhausted."""
        if self.watch is None:
            return []
        from .._concurrency.thread_pool import findings

        found = self.watch.findings()
        mode = self._mode(self.test.settings.threads)
        if mode != "off":
            found += findings(self.watch.threads.pools, mode, self.test.test)
        return found

    def report_data(self, phase: str) -> dict[str, Any]:
        """The loop's lag, if it is asked for."""
        wanted = phase == "teardown" and self.test.settings.loop_lag
        return {"lag": self.lag()} if wanted else {}

    def end(self, *, judge: bool) -> None:
        """Judge what is left; nobody watches any more."""
        if self.watch is not None:
            if not judge:
                self.watch.leaks = "off"
            self.watch.stop()
        elif self._recorder is not None:
            self._recorder.stop()

    @property
    def threads(self) -> Threads:
        """The thread pools, as this test used them."""
        return self.open().threads

    # The deadline

    def around(self, body: Body) -> Body:
        """The body ends within the test's `timeout`."""
        seconds = self.test.settings.timeout
        if not seconds:
            return body

        async def bounded(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return await self._run_with_deadline(body(*args, **kwargs), seconds)

        return bounded

    async def _run_with_deadline(self, body: Awaitable[Any], seconds: float) -> Any:
        from .._concurrency.deadline import Deadline, DeadlinePassed

        __tracebackhide__ = True
        try:
            return await Deadline(seconds, self.test.test, self._dump).bound(body)
        except DeadlinePassed as passed:
            cause = passed.__cause__
            raise pytest.fail.Exception(str(passed), pytrace=False) from cause

    def _dump(self, text: str) -> None:
        """Past pytest's capture, since the process may have to be killed next."""
        try:
            from _pytest.faulthandler import fault_handler_stderr_fd_key as key

            os.write(self.test.item.config.stash[key], f"\n{text}\n".encode())
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
        """See `load.Meters`."""
        return self._blocking.step_times()

    def upstream_calls(self) -> list[tuple[float, float]] | None:
        """See `load.Meters`."""
        calls = self._upstream.exchanges()
        if self._upstream.opened is None and not calls:
            return None
        return [(call.started, inf if call.ended is None else call.ended) for call in calls]

    def lag(self) -> dict[str, Any] | None:
        """The loop's lag in this test as plain data; None if nothing has run."""
        from .._concurrency.loop_lag import loop_lag

        lag = loop_lag(self.step_times())
        if lag is None and self._in_c:
            self.test.note(
                "loop lag: not measured on uvloop, which takes its steps in C, where they cannot "
                "be timed; run the test on asyncio's own loop"
            )
        return None if lag is None else asdict(lag)
