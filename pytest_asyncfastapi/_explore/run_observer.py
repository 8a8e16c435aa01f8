"""What a sweep has in each run of the test: it records what the app does, and probes it afterwards.

After the body it lets a virtual minute pass, asks the test's invariant, and sends
one more request to see whether the app has recovered. Knows the state of a test by
a few verbs; neither pytest nor how faults are injected.
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
from .held_locks import Held, HeldLocks
from .marker_arguments import HAPPENED
from .recorded_responses import Answer, Answers
from .unfinished_work import Failed, Left, Unclosed, forget_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core.findings import Location
    from .call_identity import Calls
    from .model import RunState
    from .recorded_responses import Cut

# Virtual seconds, together a minute, after which what still runs is called left behind.
_NAPS = (0.05, 1.0, 9.0, 50.0)
_STILL = 0.3  # real seconds of one of them that say that time does not jump
_PATIENCE = 30.0  # seconds that the request afterwards may take beyond twice its usual time


class Leaver:
    """For `_client`: nothing goes wrong with this request, but its client can go."""

    leave_at = ""
    leave_after: float | None = None
    leave_after_bytes: int | None = None
    upload_chunks = 0
    upload_over = 0.0
    read_delay = 0.0

    def __init__(self, answers: Answers) -> None:
        self.around = answers.leaving

    def record(self, what: str) -> str:
        """In words, for the error that the test's client raises."""
        return f"{what}, by the sweep"

    def over(self) -> None:
        """The app has ended."""


class Probe:
    """One run, as a sweep sees it.

    `invariant` is asked after the body, with the test's fixtures by name. `again` says
    which requests are sent once more; `times` has the seconds that each took in the clean
    run. `calls` is notified where the body begins and ends. Requests before the body count with
    `setup` only. `point` is that of the run, for the invariant. `locks` asks what is held.
    """

    def __init__(
        self,
        state: RunState,
        *,
        invariant: Callable[..., Any] | None = None,
        cut: Cut | None = None,
        stepped: bool = False,
        again: Callable[[Answer], bool] = lambda answer: False,
        calls: Calls | None = None,
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
        self.answers = Answers(state.user_code, cut, stepped=stepped)
        self.answers.recording = setup
        self._earlier = 0  # exchanges of the test that are none of this run's
        self._around = self.answers.leaving
        self.broken: BaseException | None = None
        self.afterwards: dict[int, Answer] = {}  # by the place of the first in `answers.all`
        self.unanswered: dict[int, Answer] = {}  # the same, where none came in time
        self.reached_end = False
        self.client: Any = None
        self._leaver = Leaver(self.answers)
        self._locks = HeldLocks(state.user_code) if stepped or locks else None
        self.held: list[Held] = []  # locks
        self.missing: list[Held] = []  # what was taken from a pool
        self.returned: set[Location] = set()  # lines that have put back what they took
        self._left = Left(state.user_code)
        self.failed: list[Failed] = []  # tasks
        self.unclosed: list[Unclosed] = []  # generators
        self.on_trio = False

    def join(self, client: Any) -> None:
        """Begin in the middle of a test: its client is open, and its app is listened to by nobody.

        So each request is, on its way in; what the test has done before does not count.
        """
        self.client = client
        self._earlier = len(self._state.scope.recorder.exchanges)
        self._around = lambda app, leave: self.answers.leaving(self.answers.tapped(app), leave)
        self._leaver.around = self._around

    def begin(self) -> None:
        """Just before the body."""
        self.answers.recording = True
        self.on_trio = asyncio._get_running_loop() is None
        self.answers.recording = True
        self._enter("body")
        if self._locks is not None:
            self._locks.start()
        self._left.start()

    def end(self) -> None:
        """Whatever has become of the run, it is over."""
        if self._locks is not None:
            self._locks.stop()
        self._left.stop()

    def plan(self, given: Any) -> Any:
        """What happens to a request on its way in: what the test has `given`, if anything."""
        if given is None:
            return self._leaver
        given.around = self._around
        return given

    def tapped(self, app: Any) -> Any:
        """The app, listened to."""
        return self.answers.tapped(app)

    def around(self, body: Callable[..., Any]) -> Callable[..., Any]:
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
        """Look at what the body has left, while its fixtures still stand."""
        self.answers.recording = False
        for answer in self.answers.all:
            if answer.error is not None:
                forget_frames(answer.error)
        self._enter("after")
        if self._state.on_virtual_time:
            await _calm()
        self._enter("over")
        if self._locks is not None:
            self.held, self.missing = self._locks.held(), self._locks.missing()
            self.returned = self._locks.returned
        await self._look_at_what_is_left()
        await self._ask_invariant()
        await self._ask_again()
        self.reached_end = True

    async def _look_at_what_is_left(self) -> None:
        if any(self._left.unclosed()):
            gc.collect()  # one that nobody can reach any more is closed by its loop
            await anyio.sleep(_NAPS[0])
        self.failed, self.unclosed = [*self._left.failed()], [*self._left.unclosed()]

    def _enter(self, phase: str) -> None:
        if self.calls is not None:
            self.calls.enter(phase)

    async def _ask_invariant(self) -> None:
        if self._invariant is None:
            return
        try:
            held = self._invariant(**self._given())
            if inspect.isawaitable(held):
                await held
        except Exception as error:
            self.broken = error

    def _given(self) -> dict[str, Any]:
        """The fixtures that the invariant names; the sweep has checked that they are there."""
        assert self._invariant is not None
        known = {**self.happened(), **self._state.item.funcargs}
        return {name: known[name] for name in signature(self._invariant).parameters}

    def happened(self) -> dict[str, Any]:
        """What an invariant may ask for beside fixtures: see `HAPPENED`."""
        exchanges = self._state.scope.recorder.exchanges[self._earlier :]
        return dict(zip(HAPPENED, (tuple(self.answers.all), exchanges, self._point), strict=True))

    async def _ask_again(self) -> None:
        if self.client is None:
            return
        for place, answer in enumerate(list(self.answers.all)):
            if answer.is_http and self._again(answer):
                await self._send(place, answer)

    async def _send(self, place: int, first: Answer) -> None:
        """Send this request once more, quietly: what it does to the routes is undone."""
        ears = Answers(self._state.user_code, stepped=False)
        request = self.client.build_request(
            first.scope["method"],
            _path(first.scope),
            headers=first.scope["headers"],
            content=first.request_body,
            extensions={"raise_app_exceptions": False},
        )
        before, self.answers.elsewhere = self.answers.elsewhere, ears
        usual = max([first.duration, *self._times[place : place + 1]])
        patience = _PATIENCE + 2 * usual
        with suppress_findings(self._state.scope), anyio.move_on_after(patience) as limit:
            with suppress(Exception):  # the answer says it, or there is none
                await self.client.send(request)
        self.answers.elsewhere = before
        if limit.cancelled_caught:
            self.unanswered[place] = first
        elif ears.all:
            self.afterwards[place] = ears.all[0]

    def __repr__(self) -> str:
        return f"<Probe of {self._state.test}: {len(self.answers.all)} answers>"


async def _calm() -> None:
    """Let a virtual minute pass; less where time stands still for a thread that never ends."""
    for nap in _NAPS:
        began = perf_counter()
        await anyio.sleep(nap)
        if perf_counter() - began > max(nap / 2, _STILL):
            return


def _path(scope: dict[str, Any]) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (path + (b"?" + query if query else b"")).decode("latin-1")
