"""Who handed a call over: the line that awaits a worker thread, or that added a background task.

Where a library's function was handed to a thread (`asyncio.to_thread(client.get, url)`) or to
Starlette (`BackgroundTasks.add_task(client.post, url)`), no line of the user's is on the stack.
Called only then. Changes nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

from .await_chains import frames_of
from .creation_site import creation_site_of
from .waiters import tasks_awaiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from .creation_site import CreationSite
    from .frames import UserCode

_ATTRIBUTE = "_asyncfastapi_creation_site"
_POLLS, _POLL = 200, 0.001  # times, and seconds of real time, in a worker thread
_POLLS_WITHOUT_LOOP = 5  # times, for a job that perhaps no loop waits for
_RUN_IN_EXECUTOR = asyncio.BaseEventLoop.run_in_executor.__code__
_DEPTH = 12  # frames below it: those of `submit()` and of starting a thread


def record_background_tasks(patch: Callable[..., None], site: Callable[[Any], Any]) -> None:
    """Store on each background task of Starlette the line that created it: `site(frame)`."""
    module = sys.modules.get("starlette.background")
    if module is None:
        return

    def recording(original: Any) -> Any:
        def init(task: Any, *args: Any, **kwargs: Any) -> None:
            original(task, *args, **kwargs)
            setattr(task, _ATTRIBUTE, site(sys._getframe(1)))

        return init

    patch(module.BackgroundTask, "__init__", recording)


def line_of(frame: FrameType | None, user: UserCode) -> tuple[CodeType, int] | None:
    """The user's line that handed over what runs at `frame`; None where none did."""
    while frame is not None:
        found = _background_task_line(frame)
        if found is not None:
            return found
        job = _job_of(frame)
        if job is not None:
            task = job()
            return None if task is None else _line_in(task, user)
        frame = frame.f_back
    return None


def _line_in(task: Any, user: UserCode) -> tuple[CodeType, int] | None:
    """The innermost line of the user's in a suspended task, or the one that made the task."""
    for frame in reversed(frames_of(task)):
        if user.owns_frame(frame):
            return frame.f_code, frame.f_lineno
        found = _background_task_line(frame)
        if found is not None:
            return found
    return line_of_creation(creation_site_of(task))


def line_of_creation(site: CreationSite | None) -> tuple[CodeType, int] | None:
    """The line of a creation site, or of its nearest parent that has a line."""
    while site is not None and site.code is None:
        site = site.parent
    return None if site is None or site.code is None else (site.code, site.line)


def _background_task_line(frame: FrameType) -> tuple[CodeType, int] | None:
    """Where the background task was made that runs in this frame."""
    if frame.f_globals.get("__name__") != "starlette.background":
        return None
    return line_of_creation(getattr(frame.f_locals.get("self"), _ATTRIBUTE, None))


def _job_of(frame: FrameType) -> Callable[[], Any] | None:
    """If this frame is the first of a worker thread: the task that waits for its job."""
    module, name = frame.f_globals.get("__name__"), frame.f_code.co_name
    if (module, name) == ("anyio._backends._asyncio", "run"):
        future = frame.f_locals.get("future")
        return lambda: _waiting_for(lambda: future)
    if (module, name) == ("concurrent.futures.thread", "run"):
        job = getattr(frame.f_locals.get("self"), "future", None)
        if job is None:
            return None  # from Python 3.14 on a worker has a context, whose `run` is further in
        return lambda: _waiting_for(lambda: _asyncio_future(job))
    if (module, name) == ("trio._threads", "worker_fn"):
        register = frame.f_locals.get("task_register", ())
        return lambda: _suspended(register)
    return None


def _waiting_for(future_of_job: Callable[[], Any]) -> Any:
    """The task of asyncio's that waits for a job.

    The thread may be faster than the loop comes to make a future of the job, and than the task
    comes to its `await`.
    """
    for tried in range(_POLLS):
        future = future_of_job()
        if future is None:
            over = tried >= _POLLS_WITHOUT_LOOP and not _runs_run_in_executor()
        else:
            # Checked first: a task that is suspended after that has come to its `await`.
            over = asyncio.current_task(future.get_loop()) is None
            for task in tasks_awaiting(future):
                return task
        if over:
            return None
        time.sleep(_POLL)
    return None


def _runs_run_in_executor() -> bool:
    """Is some loop in the middle of `run_in_executor()`, before it makes a future of the job?"""
    for frame in sys._current_frames().values():
        outer: FrameType | None = frame
        for _ in range(_DEPTH):
            if outer is None:
                break
            if outer.f_code is _RUN_IN_EXECUTOR:
                return True
            outer = outer.f_back
    return False


def _suspended(register: Any) -> Any:
    """The task of trio's in this register, once it is suspended at its `await`."""
    for task in register:
        for _ in range(_POLLS):
            if task is None or not task.coro.cr_running:
                break
            time.sleep(_POLL)
        if task is not None:
            return task
    return None


def _asyncio_future(job: Any) -> Any:
    """The future of asyncio's that gets the result of one of `concurrent.futures`."""
    for callback in getattr(job, "_done_callbacks", ()):
        for cell in getattr(callback, "__closure__", None) or ():
            if asyncio.isfuture(cell.cell_contents):
                return cell.cell_contents
    return None
