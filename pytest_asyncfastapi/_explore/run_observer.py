"""The probe of a sweep in each run of the test: records the app, and checks it afterwards.

After the body it lets a virtual minute pass, calls the test's invariant, and sends each
request once more to see whether the app has recovered. Must not import pytest, nor depend
on how faults are injected.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio

from .._core.real_time import perf_counter
from .._core.signatures import signature
from .._upstream.suppressed import suppress_findings
from .await_steps import cancelled as _cancelled
from .held_locks import HeldItem, HeldLocks
from .marker_arguments import INVARIANT_ARGUMENTS
from .recorded_responses import RecordedResponse, ResponseRecorder
from .unfinished_work import FailedTask, UnclosedGenerator, UnfinishedWork, forget_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core.findings import Location
    from .call_identity import SweptCalls
    from .model import RunState
    from .recorded_responses import CutPoint

# Virtual seconds, together a minute, after which what still runs is called left behind.
_SLEEPS = (0.05, 1.0, 9.0, 50.0)
_REAL_TIME = 0.3  # real seconds of one of them from which on time is taken to be real
_TIMEOUT = 30.0  # seconds that the request afterwards may take beyond twice its usual time


class DisconnectControl:
    """A fault plan for `_client` without faults, but with a client that can disconnect."""

    leave_at = ""
    leave_after: float | None = None
    leave_after_bytes: int | None = None
    upload_chunks = 0
    upload_over = 0.0
    read_delay = 0.0

    def __init__(self, answers: ResponseRecorder) -> None:
        self.around = answers.with_disconnect

    def record(self, what: str) -> str:
        """The text of the error that the test's client raises."""
        return f"{what}, by the sweep"

    def over(self) -> None:
        """The app has ended."""


class SweepProbe:
    """The probe of one run.

    `invariant` is called after the body, with the test's fixtures by name. `again` selects
    the requests that are sent once more; `times` has the seconds that each took in the clean
    run. `calls` is notified where the body begins and ends. Requests before the body count with
    `setup` only. `point` is that of the run, for the invariant. `locks`: held locks are recorded.
    """

    def __init__(
        self,
        state: RunState,
        *,
        invariant: Callable[..., Any] | None = None,
        cut: CutPoint | None = None,
        stepped: bool = False,
        again: Callable[[RecordedResponse], bool] = lambda answer: False,
        calls: SweptCalls | None = None,
        setup: bool = True,
        times: Sequence[float] = (),
        point: Any = None,
        locks: bool = False,
    ) -> None:
        self._state = state
        self.calls = calls
        self._point = point
        self._invariant = invariant
        self._again = again
        self._times = times
        self.answers = ResponseRecorder(state.user_code, cut, stepped=stepped)
        self.answers.recording = setup
        self._earlier = 0  # exchanges of the test that are none of this run's
        self._around = self.answers.with_disconnect
        self.invariant_error: BaseException | None = None
        # By the place of the first in `answers.all`; of some none came in time.
        self.afterwards: dict[int, RecordedResponse] = {}
        self.unanswered: dict[int, RecordedResponse] = {}
        self.client: Any = None
        self._disconnect_control = DisconnectControl(self.answers)
        self._locks = HeldLocks(state.user_code) if stepped or locks else None
        self.held: list[HeldItem] = []  # locks
        self.missing: list[HeldItem] = []  # what was taken from a pool
        self.returned: set[Location] = set()  # lines that have put back what they took
        self._unfinished = UnfinishedWork(state.user_code)
        self.failed: list[FailedTask] = []  # tasks
        self.unclosed: list[UnclosedGenerator] = []  # generators
        self.on_trio = False

    def attach_inline(self, client: Any) -> None:
        """Start in the middle of a test: its client is open, and its app is not wrapped.

        So each request is wrapped on its own; what the test has done before does not count.
        """
        self.client = client
        self._earlier = len(self._state.scope.recorder.exchanges)
        self._around = lambda app, disconnect: self.answers.with_disconnect(
            self.answers.wrap_app(app), disconnect
        )
        self._disconnect_control.around = self._around

    def begin(self) -> None:
        """Just before the body."""
        self.answers.recording = True
        self.on_trio = asyncio._get_running_loop() is None
        self._enter_phase("body")
        if self._locks is not None:
            self._locks.start()
        self._unfinished.start()

    def end(self) -> None:
        """The run is over, however it ended."""
        if self._locks is not None:
            self._locks.stop()
        self._unfinished.stop()

    def plan(self, given: Any) -> Any:
        """The fault plan of a request: the one `given` by the test, or one without faults."""
        if given is None:
            return self._disconnect_control
        given.around = self._around
        return given

    def wrap_app(self, app: Any) -> Any:
        """The app, recorded."""
        return self.answers.wrap_app(app)

    def wrap_body(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """The body of the test, and our look at what it leaves."""

        async def run(*args: Any, **kwargs: Any) -> Any:
            self.begin()
            try:
                return await body(*args, **kwargs)
            finally:
                # Not where the test itself is being cancelled: nothing can be awaited there.
                try:
                    if not isinstance(sys.exc_info()[1], (*_cancelled(), GeneratorExit)):
                        await self.after_body()
                finally:
                    self.end()

        return run

    async def after_body(self) -> None:
        """Check what the body has left, while its fixtures are still set up."""
        self.answers.recording = False
        for answer in self.answers.all:
            if answer.error is not None:
                forget_frames(answer.error)
        self._enter_phase("after")
        if self._state.on_virtual_time:
            await _let_time_pass()
        self._enter_phase("over")
        if self._locks is not None:
            self.held, self.missing = self._locks.held(), self._locks.missing()
            self.returned = self._locks.returned
        await self._find_unfinished()
        await self._check_invariant()
        await self._repeat_requests()

    async def _find_unfinished(self) -> None:
        if any(self._unfinished.unclosed()):
            gc.collect()  # one that nobody can reach any more is closed by its loop
            await anyio.sleep(_SLEEPS[0])
        self.failed, self.unclosed = [*self._unfinished.failed()], [*self._unfinished.unclosed()]

    def _enter_phase(self, phase: str) -> None:
        if self.calls is not None:
            self.calls.enter(phase)

    async def _check_invariant(self) -> None:
        if self._invariant is None:
            return
        try:
            held = self._invariant(**self._fixtures_of_invariant())
            if inspect.isawaitable(held):
                await held
        except Exception as error:
            self.invariant_error = error

    def _fixtures_of_invariant(self) -> dict[str, Any]:
        """The fixtures that the invariant names; the sweep has checked that they are there."""
        assert self._invariant is not None
        known = {**self.invariant_arguments(), **self._state.item.funcargs}
        return {name: known[name] for name in signature(self._invariant).parameters}

    def invariant_arguments(self) -> dict[str, Any]:
        """The arguments of an invariant beside fixtures: see `INVARIANT_ARGUMENTS`."""
        exchanges = self._state.scope.recorder.exchanges[self._earlier :]
        return dict(
            zip(INVARIANT_ARGUMENTS, (tuple(self.answers.all), exchanges, self._point), strict=True)
        )

    async def _repeat_requests(self) -> None:
        if self.client is None:
            return
        for place, answer in enumerate(list(self.answers.all)):
            if answer.is_http and self._again(answer):
                await self._send_again(place, answer)

    async def _send_again(self, place: int, first: RecordedResponse) -> None:
        """Send this request once more, quietly: what it does to the routes is undone."""
        recorder = ResponseRecorder(self._state.user_code, stepped=False)
        request = self.client.build_request(
            first.scope["method"],
            _path(first.scope),
            headers=first.scope["headers"],
            content=first.request_body,
            extensions={"raise_app_exceptions": False},
        )
        before, self.answers.redirected_to = self.answers.redirected_to, recorder
        usual = max([first.duration, *self._times[place : place + 1]])
        timeout = _TIMEOUT + 2 * usual
        with suppress_findings(self._state.scope), anyio.move_on_after(timeout) as limit:
            with suppress(Exception):  # it is in the recorded response, or there is none
                await self.client.send(request)
        self.answers.redirected_to = before
        if limit.cancelled_caught:
            self.unanswered[place] = first
        elif recorder.all:
            self.afterwards[place] = recorder.all[0]

    def __repr__(self) -> str:
        return f"<SweepProbe of {self._state.test}: {len(self.answers.all)} answers>"


async def _let_time_pass() -> None:
    """Let a virtual minute pass; less where time stands still for a thread that never ends."""
    for sleep in _SLEEPS:
        began = perf_counter()
        await anyio.sleep(sleep)
        if perf_counter() - began > max(sleep / 2, _REAL_TIME):
            return


def _path(scope: dict[str, Any]) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (path + (b"?" + query if query else b"")).decode("latin-1")
