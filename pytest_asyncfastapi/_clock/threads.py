"""Which threads may be at work for this loop, and which are known to be idle.

Threads are examined from outside (`threading.enumerate`, their current frames).
Must not depend on time, sockets or tasks.
"""

from __future__ import annotations

import concurrent.futures
import functools
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from .._core.frames import is_installed
from .idle_threads import IdleTracker

if TYPE_CHECKING:
    import types

# Owners of code, besides the names of installed top-level packages.
USER = ""
STDLIB = "<stdlib>"
TOOLING = "<tooling>"
EXECUTOR = "<executor>"
WORKER = "<anyio worker>"
ASYNCIO = "<asyncio>"

_TOOLS = {"pytest_asyncfastapi", "pytest", "_pytest", "pluggy", "execnet", "xdist"}
_TOOLS |= {
    "pytest_timeout",
    "pytest_rerunfailures",
    "coverage",
    "pydevd",
    "_pydevd_bundle",
    "_pydev_bundle",
    "debugpy",
}
# Threads whose target is in these modules run whatever they were given.
_NEUTRAL = frozenset({"threading", "_thread", "time", "builtins", "functools", "_contextvars"})
# The modules of the innermost frame of a thread that waits for a job.
_IDLE = frozenset({"threading", "queue"})
_RESULT = concurrent.futures.Future.result.__code__


@functools.lru_cache(maxsize=4096)
def owner_of(module: str) -> str:
    """Whose code a module is: `USER`, `STDLIB`, `TOOLING` or an installed package."""
    top = module.partition(".")[0]
    if top in _TOOLS:
        return TOOLING
    if top in sys.stdlib_module_names:
        return STDLIB
    filename = getattr(sys.modules.get(module), "__file__", None)
    return top if filename and is_installed(filename) else USER


def thread_owner(thread: threading.Thread) -> str:
    """Whose code a thread runs, by its target or by its class."""
    cls = type(thread)
    if isinstance(thread, threading._DummyThread):
        return TOOLING  # made by C code; it lives on in the list long after its end
    if cls.__module__ == "anyio._backends._asyncio":
        return WORKER
    target: Any = None
    if isinstance(thread, threading.Timer):
        target = thread.function
    elif cls.run is threading.Thread.run:
        target = getattr(thread, "_target", None)
        if target is None:
            return TOOLING  # `run()` has dropped its target: this thread is at its end
    else:
        target = cls.run
    while isinstance(target, functools.partial):
        target = target.func
    module = getattr(target, "__module__", None) or type(target).__module__
    return _owner_of_target(module)


def _owner_of_target(module: str) -> str:
    if module == "concurrent.futures.thread":
        return EXECUTOR
    if module == "trio._core._thread_cache":
        return WORKER
    if module.startswith("asyncio."):
        return ASYNCIO
    if module in _NEUTRAL:
        return USER
    owner = owner_of(module)
    # Servers, queue feeders and log listeners of the standard library idle forever.
    return TOOLING if owner == STDLIB else owner


class Threads:
    """The threads beside the loop's own, by who owns their code."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._owners: weakref.WeakKeyDictionary[threading.Thread, str] = weakref.WeakKeyDictionary()
        self._older = weakref.WeakSet(threading.enumerate())
        self.is_idle = IdleTracker()

    def others(self) -> list[tuple[threading.Thread, str]]:
        """Every other thread with its owner; tooling is left out."""
        threads = threading.enumerate()
        if len(threads) == 1:
            return []
        me = threading.current_thread()
        found = []
        for thread in threads:
            owner = self._owners.get(thread)
            if owner is None:
                owner = self._owners[thread] = thread_owner(thread)
            if owner != TOOLING and thread is not me:
                found.append((thread, owner))
        return found

    def is_new(self, thread: threading.Thread) -> bool:
        """Was it started after virtual time began?"""
        return thread not in self._older

    def frame_of(self, thread: threading.Thread) -> types.FrameType | None:
        """The innermost Python frame of a thread right now."""
        return sys._current_frames().get(thread.ident or 0)

    def waits_for_loop(self, thread: threading.Thread) -> bool:
        """Is it blocked until a coroutine on this loop is done (`from_thread.run`)?

        Such a thread waits in `concurrent.futures.Future.result`, on a future
        that asyncio has chained to a task of this loop.
        """
        future = self._awaited_by(thread)
        for callback in getattr(future, "_done_callbacks", ()):
            code = getattr(callback, "__code__", None)
            if code is None or code.co_name != "_call_check_cancel":
                continue
            cells = dict(zip(code.co_freevars, callback.__closure__ or (), strict=False))
            cell = cells.get("source_loop")
            return cell is not None and cell.cell_contents is self._loop
        return False

    def waits_for_result(self, thread: threading.Thread) -> bool:
        """Is it blocked in `concurrent.futures.Future.result`, of any future?"""
        return self._awaited_by(thread) is not None

    def _awaited_by(self, thread: threading.Thread) -> Any:
        frame = self.frame_of(thread)
        while frame is not None and frame.f_globals.get("__name__") == "threading":
            frame = frame.f_back
        if frame is None or frame.f_code is not _RESULT:
            return None
        future = frame.f_locals.get("self")
        # Once answered, the thread is at work again, though it may not have woken up yet.
        return future if getattr(future, "_state", "") in ("PENDING", "RUNNING") else None

    def runs_a_loop(self, thread: threading.Thread) -> bool:
        """Does it run an event loop of its own (a server, a portal, another clock)?"""
        frame = self.frame_of(thread)
        while frame is not None:
            module = frame.f_globals.get("__name__")
            if frame.f_code.co_name == "run_forever" or module == "trio._core._run":
                return True
            frame = frame.f_back
        return False

    def is_busy(self, thread: threading.Thread, owner: str) -> bool:
        """May it be at work? A pool's idle thread and a library's parked one are not.

        A thread of a pool that is idle has no frame below `_worker`; one of
        another loop's default pool is that loop's business.
        """
        frame = self.frame_of(thread)
        if frame is None:
            return False
        if owner == EXECUTOR:
            return frame.f_code.co_name != "_worker" and not self._is_of_another_loop(thread)
        return owner == USER or frame.f_globals.get("__name__") not in _IDLE

    def _is_of_another_loop(self, thread: threading.Thread) -> bool:
        pool = getattr(self._loop, "_default_executor", None)
        mine = getattr(pool, "_threads", ())
        return thread.name.startswith("asyncio_") and thread not in mine

    def job_of(self, thread: threading.Thread) -> str:
        """What it runs, for people: the function, file and line that it is in."""
        frame = self.frame_of(thread)
        best = frame
        while frame is not None:
            if owner_of(frame.f_globals.get("__name__", "")) == USER:
                best = frame
                break
            frame = frame.f_back
        if best is None:
            return f"thread {thread.name!r}"
        code = best.f_code
        return f"{code.co_qualname}() at {code.co_filename}:{best.f_lineno} in {thread.name!r}"
