"""The tasks of one recorded test: when each lived, and what it awaited for how long.

Looked at where a task goes on: it still stands at the line that it has waited at.
So only a wait that took time costs a look at its frames. Observes asyncio by its
handles, and trio as an instrument; on a loop that has neither (uvloop) it sees
nothing. Knows no format.
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

    from .._core.creation_site import CreationSite
    from .._core.frames import UserCode

_SHORTEST = 0.001  # seconds of a wait that is noted: shorter ones are only turns of the loop
_MOST = 2000  # waits of one test that are noted, and tasks that are followed
_ATTRIBUTE = "_asyncfastapi_life"


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
        self._noted = 0
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
        self._live = False  # for whoever is above us
        self._patches.undo()
        if self._trio is not None:
            self._trio.tasks = None

    def on_request(self, activity: str) -> None:
        """The running task serves this request from now on; it may never have been seen."""
        task = current_loop.current_task()
        if task is not None:
            life = self._record_of(task, activity, current_loop.now())
            if life is not None:
                life.activity = activity

    def _wrap_step(self, original: Any) -> Any:
        tasks = self

        # Each step of each task: what is not called here is what makes reports cheap.
        def _run(self: Any) -> None:
            task = getattr(self._callback, "__self__", None) if tasks._live else None
            if not isinstance(task, asyncio.Task):
                original(self)
                return
            life, clock = getattr(task, _ATTRIBUTE, None), self._loop.time
            if life is None or life.owner is not tasks:
                life = tasks._record_of(task, self._context.get(ACTIVITY, ""), clock())
            elif (now := clock()) - life.since >= _SHORTEST:
                tasks._waited(task, life, now)
            try:
                original(self)
            finally:
                if life is not None:
                    life.since = clock()
                    if task.done():
                        life.end = life.since

        return _run

    def on_step_start(self, task: Any, context: Any) -> None:
        """A task of trio's is about to run: where, and for how long, has it waited?"""
        life, now = self._found(task), current_loop.now()
        if life is None:
            self._record_of(task, context.get(ACTIVITY, ""), now)
        elif now - life.since >= _SHORTEST:
            self._waited(task, life, now)

    def _waited(self, task: Any, life: TaskRecord, now: float) -> None:
        if self._noted >= _MOST:
            return
        outer, inner = self._suspended_at(task, life)
        if outer is None or inner is None:
            return
        self._noted += 1
        if not life.name:
            # The user's outermost function says more than the library's that began the task.
            life.name, life.awaits, life.site = outer.f_code.co_qualname, [], creation_site_of(task)
        life.awaits.append((life.since, now, inner.f_code, inner.f_lineno))

    def _suspended_at(
        self, task: Any, life: TaskRecord
    ) -> tuple[FrameType | None, FrameType | None]:
        """The user's outermost frame in which a task is suspended, and the innermost."""
        awaited: Any = None if life.inside is None else life.inside()
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
                    outer, life.inside = frame, weakref.ref(awaited)
                inner = frame
            awaited = awaited.cr_await
        if awaited is not None and type(awaited).__name__ != "FutureIter":
            for frame in frames_of(SimpleNamespace(coro=awaited)):
                if owns(frame):
                    outer, inner = outer or frame, frame
        return outer, inner

    def on_step_end(self, task: Any) -> None:
        """A task of trio's has run, and waits again or is done."""
        life = self._found(task)
        if life is not None:
            life.since = current_loop.now()

    def on_task_exit(self, task: Any) -> None:
        """A task of trio's is over."""
        life = self._found(task)
        if life is not None:
            life.end = current_loop.now()

    def _found(self, task: Any) -> TaskRecord | None:
        life: TaskRecord | None = getattr(task, _ATTRIBUTE, None)
        if life is None:
            return self._of_trio.get(task) if self._trio is not None else None
        return life if life.owner is self else None

    def _record_of(self, task: Any, activity: str, now: float) -> TaskRecord | None:
        life = self._found(task)
        if life is None and len(self._records) < _MOST:
            life = TaskRecord(self, activity, now)
            if isinstance(task, asyncio.Future):
                setattr(task, _ATTRIBUTE, life)
            else:
                self._of_trio[task] = life
            self._records.append(life)
        return life

    def to_data(
        self, serving: Callable[[str], int | None], zeros: dict[str, float], began: float
    ) -> list[dict[str, Any]]:
        """The tasks that have waited at a line of the user's, as plain data.

        `zeros` is when the test began on each clock that has a name (`TimelineRecorder.zeros`).
        """
        zero = zeros.get("" if self._trio is None else "trio", began)
        return [
            {
                "request": serving(life.activity),
                "name": life.name,
                "created": self._created(life),
                "start": max(0.0, life.start - zero),
                "end": None if life.end is None else life.end - zero,
                "awaits": [
                    {
                        "at": max(0.0, since - zero),
                        "seconds": until - since,
                        "where": self._users.location(code, line).to_json(),
                    }
                    for since, until, code, line in life.awaits
                ],
            }
            for life in self._records
            if life.name
        ]

    def _created(self, life: TaskRecord) -> dict[str, Any] | None:
        where = None if life.site is None else life.site.where(self._users)
        return None if where is None else where.to_json()

    def __repr__(self) -> str:
        return f"<TaskRecorder: {len(self._records)} followed, {self._noted} waits>"


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
