"""Virtual time of one test: when it is put on the loop, and what a deadlock under it does."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from .._core.findings import swallowed_deadlock
from .feature import Feature

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from .._clock import VirtualClock
    from .._core.findings import Finding
    from .feature import Body, TestContext


class ClockFeature(Feature):
    """`_clock`, for one test."""

    def __init__(self, test: TestContext) -> None:
        super().__init__(test)
        self.wanted = "clock" in test.fixtures or test.settings.clock in ("freeze", "flow")
        self.created: VirtualClock | None = None
        self.deadlock = ""  # who waits for what, once nothing can ever happen again
        self._deadlock_reported = False  # by an error that a phase has ended with
        # Ends the body, or whatever runs instead of it; called without a text from outside.
        self.on_deadlock: Callable[[str], None] | None = None

    @property
    def clock(self) -> VirtualClock:
        """Virtual time of this test; it runs once it is installed on a loop."""
        if self.created is None:
            from .._clock import VirtualClock

            settings = self.test.settings
            self.created = VirtualClock(
                policy="flow" if settings.clock == "flow" else "freeze",
                freeze_bound=settings.freeze_bound,
            )
            self.created.on_deadlock = self._deadlocked
        return self.created

    @property
    def on(self) -> bool:
        """Is virtual time on at this moment?"""
        return self.created is not None and self.created.installed

    def request(self) -> None:
        """Turn virtual time on for the rest of the test: now, or as soon as its loop runs."""
        if self.test.settings.clock == "off":
            return
        self.wanted = True
        self.start()

    def disable(self) -> None:
        """Real time for the rest of the test."""
        self.wanted = False
        self._uninstall()

    def on_loop(self) -> None:
        """Install it, if this test wants it."""
        self.start()

    def start(self, *, required: bool = False) -> None:
        """Install virtual time on the running loop, if this test wants it.

        Where it cannot be had (uvloop) a test that only injects a delay runs in
        real time, with a note; one that asks for `clock` gets the error.
        """
        if not (self.wanted or required) or self.on:
            return
        import asyncio

        from .._clock import ClockError
        from .._core.current_loop import in_trio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if not (required or in_trio()):
                return
            loop = None
        try:
            self.clock.install(loop)
        except ClockError as error:
            if required:
                raise
            self.test.note(f"{error}; this test runs in real time")

    def _uninstall(self) -> None:
        """Back to real time: the loop may be used by the next test too."""
        if self.created is not None:
            self.created.uninstall()

    def end(self, *, judge: bool) -> None:
        """What is judged after the test runs in real time."""
        self._uninstall()

    # Deadlocks

    def _deadlocked(self, report: str) -> None:
        """Nothing can ever happen again: fail the body, or whatever runs instead of it."""
        if self.on_deadlock is not None:
            self.on_deadlock(report)
        else:
            self.deadlock = report
            raise RuntimeError(report)

    def cancel_body(self) -> None:
        """A signal has left the loop with the body inside: who ends in it would wait for it."""
        if self.on_deadlock is not None:
            self.on_deadlock("")

    def around(self, body: Body) -> Body:
        """A deadlock is known at once: the test fails, with who waits for what."""

        async def fails_on_deadlock(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with self._fails_on_deadlock():
                return await body(*args, **kwargs)

        return fails_on_deadlock

    def _fails_on_deadlock(self) -> AbstractContextManager[None]:
        import asyncio

        try:
            task = asyncio.current_task()
        except RuntimeError:  # trio
            task = None
        return self._cancelled_on_trio() if task is None else self._cancelled_on_asyncio(task)

    @contextmanager
    def _cancelled_on_asyncio(self, task: asyncio.Task[Any]) -> Iterator[None]:
        import asyncio

        from .._core.waiters import cancel

        cancelled = False

        def on_deadlock(text: str) -> None:
            nonlocal cancelled
            cancelled, self.deadlock = True, text
            cancel(task)

        self.on_deadlock = on_deadlock
        try:
            yield
        except asyncio.CancelledError:
            if not cancelled:
                raise
            task.uncancel()
            if self.deadlock:
                raise pytest.fail.Exception(self.deadlock.strip(), pytrace=False) from None
        finally:
            self.on_deadlock = None

    @contextmanager
    def _cancelled_on_trio(self) -> Iterator[None]:
        import trio

        token = trio.lowlevel.current_trio_token()

        def on_deadlock(text: str) -> None:
            self.deadlock = text
            if text:
                scope.cancel()
            else:  # from outside the run
                token.run_sync_soon(scope.cancel)

        self.on_deadlock = on_deadlock
        try:
            with trio.CancelScope() as scope:
                yield
        finally:
            self.on_deadlock = None
        if self.deadlock and scope.cancelled_caught:
            raise pytest.fail.Exception(self.deadlock.strip(), pytrace=False)

    # What is reported

    def note_reported(self, error: BaseException) -> None:
        """Where an error says that nothing could ever happen again, no finding has to."""
        if not self.deadlock:
            return
        head = self.deadlock.strip().partition("\n")[0]
        if head in "".join(traceback.format_exception(error)):
            self._deadlock_reported = True

    def repeat(self) -> None:
        """The run is reported again, by other reports."""
        self._deadlock_reported = False

    def findings(self, *, passed: bool, ended: bool) -> Iterable[Finding]:
        """None: what is to be known of the clock is a note."""
        for note in self.created.notes if self.created is not None else ():
            self.test.note(note)
        return ()

    def verdict(self) -> Iterable[Finding]:
        """A deadlock that no error of the test reports."""
        swallowed = self.deadlock and not self._deadlock_reported
        return [swallowed_deadlock(self.deadlock)] if swallowed else ()
