"""The tasks of one recorded test: when each lived, and what it awaited for how long.

A task is examined when it goes on: it is still at the line that it has waited at.
So only a wait that took time costs a walk through its frames. Observes asyncio by its
handles, and trio as an instrument; on a loop that has neither (uvloop) it sees
nothing.
"""

from __future__ import annotations

import asyncio
import weakref
from types import CoroutineType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from .._core import current_loop
from .._core.activity import ACTIVITY
from .._core.await_chains import frames_of
from .._core.creation_site import creation_site_of
from .._core.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from .._core.clock_origins import ClockOrigins
    from .._core.creation_site import CreationSite
    from .._core.frames import UserCode

_MIN_WAIT = 0.001  # seconds of a wait that is recorded: shorter ones are only turns of the loop
_MAX_RECORDS = 2000  # waits of one test that are recorded, and tasks that are followed
_ATTRIBUTE = "_asyncfastapi_task_record"


class TaskRecord:
    """One task while it is followed; `since` is when it began to wait.

    Moments are its loop's. Until it has waited at a line of the user's, `name` is empty (then
    the user's outermost function in it), and so is all that is below. Where a line is, is
    looked up for the report only. `inside` is the user's outermost coroutine when it was last
    looked at. Lean, since there is one for each task.
    """

    __slots__ = ("activity", "awaits", "end", "inside", "name", "owner", "since", "site", "start")
    awaits: list[tuple[float, float, CodeType, int]]
    site: CreationSite | None

    def __init__(self, owner: TaskRecorder, activity: str, start: float) -> None:
        self.owner = owner
        self.activity = activity
        self.start = self.since = start
        self.end: float | None = None
        self.name = ""
        self.inside: weakref.ref[CoroutineType[Any, Any, Any]] | None = None


class TaskRecorder:
    """Follows the tasks in which the user's code runs, from `start()` to `stop()`."""

    def __init__(self, user_code: UserCode) -> None:
        self._users = user_code
        self._of_trio: weakref.WeakKeyDictionary[Any, TaskRecord]  # made when there is a trio run
        self._records: list[TaskRecord] = []
        self._wait_count = 0
        self._patches = Patches()
        self._live = True
        self._trio: _TrioInstrument | None = None

    def start(self) -> None:
        """Record asyncio's tasks."""
        self._patches.wrap(asyncio.events.Handle, "_run", self._wrap_step)

    def on_trio(self) -> None:
        """Record the trio run that the caller is in."""
        if self._trio is None:
            import trio

            # Trio's tasks take no attributes: none lives a moment longer for it.
            self._of_trio = weakref.WeakKeyDictionary()
            self._trio = _TrioInstrument(self)
            trio.lowlevel.add_instrument(self._trio)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Put everything back."""
        self._live = False  # a patch on top may still call ours
        self._patches.undo()
        if self._trio is not None:
            self._trio.tasks = None

    def on_request(self, activity: str) -> None:
        """The running task serves this request from now on; it may never have been seen."""
        task = current_loop.current_task()
        if task is not None:
            record = self._record_of(task, activity, current_loop.now())
            if record is not None:
                record.activity = activity

    def _wrap_step(self, original: Any) -> Any:
        tasks = self

        # Each step of each task: what is not called here is what makes reports cheap.
        def _run(self: Any) -> None:
            task = getattr(self._callback, "__self__", None) if tasks._live else None
            if not isinstance(task, asyncio.Task):
                original(self)
                return
            record, clock = getattr(task, _ATTRIBUTE, None), self._loop.time
            if record is None or record.owner is not tasks:
                record = tasks._record_of(task, self._context.get(ACTIVITY, ""), clock())
            elif (now := clock()) - record.since >= _MIN_WAIT:
                tasks._add_wait(task, record, now)
            try:
                original(self)
            finally:
                if record is not None:
                    record.since = clock()
                    if task.done():
                        record.end = record.since

        return _run

    def on_step_start(self, task: Any, context: Any) -> None:
        """A task of trio's is about to run: where, and for how long, has it waited?"""
        record, now = self._known_record(task), current_loop.now()
        if record is None:
            self._record_of(task, context.get(ACTIVITY, ""), now)
        elif now - record.since >= _MIN_WAIT:
            self._add_wait(task, record, now)

    def _add_wait(self, task: Any, record: TaskRecord, now: float) -> None:
        if self._wait_count >= _MAX_RECORDS:
            return
        outer, inner = self._suspended_at(task, record)
        if outer is None or inner is None:
            return
        self._wait_count += 1
        if not record.name:
            # The user's outermost function is more useful than the library's that began the task.
            record.name, record.awaits = outer.f_code.co_qualname, []
            record.site = creation_site_of(task)
        record.awaits.append((record.since, now, inner.f_code, inner.f_lineno))

    def _suspended_at(
        self, task: Any, record: TaskRecord
    ) -> tuple[FrameType | None, FrameType | None]:
        """The user's outermost frame in which a task is suspended, and the innermost."""
        awaited: Any = None if record.inside is None else record.inside()
        # While it is suspended, what awaits it is as before: the framework, which is long.
        if awaited is None or not awaited.cr_suspended:
            awaited = task.coro if hasattr(task, "coro") else task.get_coro()
        owns = self._users.owns_frame
        outer: FrameType | None = None
        inner: FrameType | None = None
        # Nearly all of it is plain coroutines, which need none of the care of the general way.
        while type(awaited) is CoroutineType:
            frame = awaited.cr_frame
            if frame is not None and owns(frame):
                if outer is None:
                    outer, record.inside = frame, weakref.ref(awaited)
                inner = frame
            awaited = awaited.cr_await
        if awaited is not None and type(awaited).__name__ != "FutureIter":
            for frame in frames_of(SimpleNamespace(coro=awaited)):
                if owns(frame):
                    outer, inner = outer or frame, frame
        return outer, inner

    def on_step_end(self, task: Any) -> None:
        """A task of trio's has run, and waits again or is done."""
        record = self._known_record(task)
        if record is not None:
            record.since = current_loop.now()

    def on_task_exit(self, task: Any) -> None:
        """A task of trio's is over."""
        record = self._known_record(task)
        if record is not None:
            record.end = current_loop.now()

    def _known_record(self, task: Any) -> TaskRecord | None:
        record: TaskRecord | None = getattr(task, _ATTRIBUTE, None)
        if record is None:
            return self._of_trio.get(task) if self._trio is not None else None
        return record if record.owner is self else None

    def _record_of(self, task: Any, activity: str, now: float) -> TaskRecord | None:
        record = self._known_record(task)
        if record is None and len(self._records) < _MAX_RECORDS:
            record = TaskRecord(self, activity, now)
            if isinstance(task, asyncio.Future):
                setattr(task, _ATTRIBUTE, record)
            else:
                self._of_trio[task] = record
            self._records.append(record)
        return record

    def to_data(
        self,
        request_number: Callable[[str], int | None],
        clock_origins: ClockOrigins,
    ) -> list[dict[str, Any]]:
        """The tasks that have waited at a line of the user's, as plain data."""
        zero = clock_origins.of_loop()
        return [
            {
                "request": request_number(record.activity),
                "name": record.name,
                "created": self._created(record),
                "start": max(0.0, record.start - zero),
                "end": None if record.end is None else record.end - zero,
                "awaits": [
                    {
                        "at": max(0.0, since - zero),
                        "seconds": until - since,
                        "where": self._users.location(code, line).to_json(),
                    }
                    for since, until, code, line in record.awaits
                ],
            }
            for record in self._records
            if record.name
        ]

    def _created(self, record: TaskRecord) -> dict[str, Any] | None:
        where = None if record.site is None else record.site.where(self._users)
        return None if where is None else where.to_json()

    def __repr__(self) -> str:
        return f"<TaskRecorder: {len(self._records)} followed, {self._wait_count} waits>"


class _TrioInstrument:
    """An instrument of trio's; it stays with the run, and records as long as it has `tasks`."""

    def __init__(self, tasks: TaskRecorder) -> None:
        self.tasks: TaskRecorder | None = tasks

    def before_task_step(self, task: Any) -> None:
        """A task is about to run."""
        if self.tasks is not None:
            self.tasks.on_step_start(task, task.context)

    def after_task_step(self, task: Any) -> None:
        """A task has run."""
        if self.tasks is not None:
            self.tasks.on_step_end(task)

    def task_exited(self, task: Any) -> None:
        """A task is over."""
        if self.tasks is not None:
            self.tasks.on_task_exit(task)
