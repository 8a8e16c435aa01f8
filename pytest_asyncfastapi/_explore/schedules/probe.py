"""The probe of a run under one schedule: the body of the test runs in this order.

Must not import pytest, nor depend on which schedules are tried.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..._clock import ClockError
from .body import BodyRun, scheduled
from .run import Stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._core.findings import Location
    from ..model import RunState
    from .sequential import TogetherResult
    from .token import Schedule

_ON_TRIO = "trio chooses the order of its tasks itself, and at random in every run"


class ScheduleProbe:
    """One run of the body under one schedule; `body` has the result."""

    def __init__(self, state: RunState, schedule: Schedule, *, watched: bool, waits: bool) -> None:
        self._state = state
        self._schedule = schedule
        self._watched = watched
        self._waits = waits
        self.client: Any = None
        self.body = BodyRun()
        self.refused = ""
        self.explores_itself = False
        # What `together()` is to do (None: all at once), and what came of it.
        self.order: tuple[int, ...] | None = None
        self.found: TogetherResult | None = None
        self.ignored: tuple[str, ...] = ()
        self.called_at: Location | None = None

    def end_outer_schedule(self) -> None:
        """The test explores orders by itself: this is not a run of a schedule any more."""
        self.explores_itself = True
        self.body.end()

    def plan(self, given: Any) -> Any:
        """No fault is added to the requests of the client."""
        return given

    def wrap_app(self, app: Any) -> Any:
        """The app, as it is."""
        return app

    def wrap_body(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """The body of the test, in this order; in its own one where that cannot be chosen."""

        async def run(*args: Any, **kwargs: Any) -> Any:
            if asyncio._get_running_loop() is None:
                self.refused = _ON_TRIO
                return await body(*args, **kwargs)
            users = self._state.user_code if self._watched else None
            try:
                note, waits = self._state.note, self._waits
                order = scheduled(str(self._schedule), note=note, users=users, waits=waits)
                self.body = order.__enter__()
            except ClockError as error:
                self.refused = str(error)
                return await body(*args, **kwargs)
            with _LeaveSchedule(order, self.body):
                return await body(*args, **kwargs)

        return run


def end_outer_schedule(test: Any) -> None:
    """End the schedule of a test that explores orders itself."""
    probe = getattr(test, "probe", None)
    if isinstance(probe, ScheduleProbe):
        probe.end_outer_schedule()


class _LeaveSchedule:
    """Leave the schedule; a body that could never end has failed."""

    def __init__(self, order: Any, body: BodyRun) -> None:
        self._order, self._body = order, body

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._order.__exit__(kind, error, traceback)
        task = asyncio.current_task()
        if self._body.stuck and isinstance(error, asyncio.CancelledError) and task is not None:
            task.uncancel()
            raise Stuck(self._body.stuck) from None
