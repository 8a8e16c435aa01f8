"""Is a thread idle: does it wait in an empty queue for a job?

Where a thread waits is read from its innermost frame; that it waits there, and is not
just about to go on with a job that it has taken, is known once the kernel did not run it
for a while. Must not depend on virtual time.
"""

from __future__ import annotations

import inspect
import os
import queue
import sys
import weakref
from typing import TYPE_CHECKING, Any

from .._core.frames import called_names
from .._core.real_time import perf_counter

if TYPE_CHECKING:
    import threading
    import types

# Real seconds. A thread that has a job but not the GIL is run every 5 ms to request it.
_REST = 0.05
# Between two jobs a busy thread is idle for less: no need to read the kernel's figures.
_SHORT_REST = 0.005
# Where the kernel does not say whether it was run: so long without a step of the loop.
_REST_WITHOUT_KERNEL = 0.12
_GET = queue.Queue.get.__code__
_MISSING = object()


class IdleTracker:
    """Remembers since when each thread has been seen idle."""

    def __init__(self) -> None:
        self._since: weakref.WeakKeyDictionary[threading.Thread, tuple[float, str]] = (
            weakref.WeakKeyDictionary()
        )
        self._loop_runs = 0

    def on_loop_ran(self) -> None:
        """The loop may have run, and handed over a job that was done before the next look."""
        self._loop_runs += 1

    def __call__(self, thread: threading.Thread) -> bool:
        """Is it idle, and was it all the time since an earlier check?"""
        frame = sys._current_frames().get(thread.ident or 0)
        if frame is None or not waits_for_a_job(frame):
            self._since.pop(thread, None)
            return False
        now = perf_counter()
        since, before = self._since.setdefault(thread, (now, ""))
        if not before and now - since < _SHORT_REST:
            return False
        figures, enough = _kernel_figures(thread.native_id), _REST
        if figures is None:
            figures, enough = f"after {self._loop_runs} moves", _REST_WITHOUT_KERNEL
        if figures != before:
            self._since[thread] = now, figures
            return False
        return bool(figures) and now - since >= enough


def _kernel_figures(tid: int | None) -> str | None:
    """How often the kernel has run a thread that sleeps; "" if it does not, None if unknown."""
    if sys.platform != "linux" or tid is None:
        return None
    try:
        _, _, state = _read(f"/proc/self/task/{tid}/stat").rpartition(b") ")
        asleep = state.startswith(b"S")
        return _read(f"/proc/self/task/{tid}/schedstat").decode("ascii") if asleep else ""
    except OSError:
        return None


def _read(path: str) -> bytes:
    """A short file; read at every look, and `Path.read_bytes()` takes five times as long."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def waits_for_a_job(frame: types.FrameType) -> bool:
    """Is it in `queue.get()` of an empty queue?"""
    if frame.f_globals.get("__name__") != "threading":
        names = called_names(frame.f_code, frame.f_lasti)
        found = _look_up(frame, names[:-1]) if names[-1:] == ("get",) else None
        return isinstance(found, queue.SimpleQueue) and found.empty()
    above: types.FrameType | None = frame
    while above is not None and above.f_globals.get("__name__") == "threading":
        above = above.f_back
    return above is not None and above.f_code is _GET and not above.f_locals["self"].queue


def _look_up(frame: types.FrameType, names: tuple[str, ...]) -> Any:
    """The value of such a name there; no property is run for it."""
    first, *rest = names
    found = frame.f_locals.get(first, frame.f_globals.get(first, _MISSING))
    for name in rest:
        found = inspect.getattr_static(found, name, _MISSING)
    return found
