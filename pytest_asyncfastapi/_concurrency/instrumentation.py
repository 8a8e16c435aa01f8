"""Records tasks, generators, coroutines and pools, for the active observer.

Process-wide like the functions that it wraps: there is one `INSTRUMENTATION`, and while no
test is observed nothing is wrapped. Of several observers (a pytest inside a
pytest) the latest is notified.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from .._core.creation_site import attach, capture
from .._core.current_loop import in_trio
from .._core.patches import Patches
from .._core.thread_callers import record_background_tasks
from .owner_loop import TRIO_RUNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.creation_site import CreationSite
    from .._core.frames import UserCode
    from .resource_tracker import ResourceTracker
    from .thread_pool import PoolUse


class Observer(Protocol):
    """What is notified: the leak detector of a test."""

    user_code: UserCode
    resources: ResourceTracker
    exempt: bool
    lingers: bool  # another one begins soon: what is wrapped may stay so when this one ends

    def pool(self, name: str) -> PoolUse:
        """The use of the thread pool of this name."""
        ...

    def on_task_created(self, task: Any, site: CreationSite) -> None:
        """A task of trio's was created."""

    def on_asyncgen(self, generator: Any, site: CreationSite, owner: Any) -> None:
        """An async generator is iterated for the first time, in this loop or trio run."""

    def on_unawaited(self, coroutine: Any, frame: Any) -> None:
        """A coroutine is destroyed that was never awaited; no frame where it was collected."""

    def on_loop_close(self, loop: Any) -> None:
        """A loop of asyncio's is about to close, and to cancel what it has."""

    def on_uncancellable(self, task: Any) -> None:
        """A task swallows its cancellations, and is about to be ended by force."""

    def on_run_end(self, run: Any) -> None:
        """The main task of a trio run has ended."""


class TaskRecorder:
    """An observer that only wants the creation sites of tasks: nothing of its test is judged."""

    lingers = True

    def __init__(self, user_code: UserCode) -> None:
        self.user_code = user_code
        self.exempt = False  # see `LeakDetector`

    def start(self) -> None:
        """Begin to record."""
        INSTRUMENTATION.attach(self)

    def on_loop(self) -> None:
        """The test has a running loop now; record what can only be seen from inside it."""
        INSTRUMENTATION.refresh()
        if asyncio._get_running_loop() is None and in_trio():
            instrument_trio()

    def stop(self) -> None:
        """Record nothing more."""
        INSTRUMENTATION.detach(self)

    def __repr__(self) -> str:
        state = "recording" if self in INSTRUMENTATION.observers else "idle"
        return f"<TaskRecorder: {state}>"


class Instrumentation:
    """The observers, and the functions that are wrapped for them."""

    def __init__(self) -> None:
        self.observers: tuple[Observer | TaskRecorder, ...] = ()
        self._tasks = Patches()  # for the creation sites of tasks, background tasks too
        self._patches = Patches()  # everything else
        self._lock = threading.Lock()
        # Called for a call of httpx or httpx2 that has a wait without a limit: request, frame.
        self.on_unbounded: Callable[[Any, Any], None] | None = None
        self._collecting_thread = 0  # the thread in which the collector is at work

    @property
    def observer(self) -> Observer | None:
        """The observer that is notified; None where the latest only records creation sites."""
        latest = self.observers[-1] if self.observers else None
        return None if isinstance(latest, TaskRecorder) else latest

    def attach(self, observer: Observer | TaskRecorder) -> None:
        """Add an observer."""
        full = not isinstance(observer, TaskRecorder)
        with self._lock:
            if not self.observers:
                self._keep_what_is_needed(full=full)
                self._tasks.wrap(asyncio.BaseEventLoop, "create_task", self._creating)
            if full:
                from . import resource_tracker

                self._wrap_asyncio()
                self._patches.wrap(warnings, "_warn_unawaited_coroutine", self._warning)
                resource_tracker.wrap(self._patches, self)
                gc.callbacks.append(self._collecting)
            self.observers = (*self.observers, observer)
        self.refresh()

    def detach(self, observer: Observer | TaskRecorder) -> None:
        """Remove an observer; with the last one the patches go, or are kept for the next."""
        with self._lock:
            if observer not in self.observers:
                return
            self.observers = tuple(item for item in self.observers if item is not observer)
            if not self.observers:
                with suppress(ValueError):
                    gc.callbacks.remove(self._collecting)
                if not observer.lingers:
                    self._undo()

    def stop(self) -> None:
        """Put back what stays wrapped between two observed tests, unless there is an observer."""
        with self._lock:
            if not self.observers:
                self._undo()

    def _keep_what_is_needed(self, *, full: bool) -> None:
        """Of what is wrapped since the last observer, keep what the next one needs.

        CPython 3.13 caches the attributes of a class only until it was changed a thousand times.
        """
        if not (self._tasks.in_place() and self._patches.in_place()):
            self._undo()
        elif not full:
            self._patches.undo()

    def _undo(self) -> None:
        self._patches.undo()
        self._tasks.undo()

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        self._collecting_thread = threading.get_ident() if phase == "start" else 0

    def refresh(self) -> None:
        """Wrap what has been imported since: clients, limiters and background tasks."""
        record_background_tasks(self._tasks.wrap, self.site)
        if all(isinstance(observer, TaskRecorder) for observer in self.observers):
            return
        from . import http_clients, thread_pool

        for name in ("httpx", "httpx2"):
            if name in sys.modules:
                http_clients.wrap(self._patches, self, sys.modules[name])
        thread_pool.wrap(self._patches, self)

    def site(self, frame: Any) -> CreationSite | None:
        """Where what is made at `frame` was created, for the current observer."""
        observer = self.observers[-1] if self.observers else None
        if observer is None:
            return None
        return capture(frame, observer.user_code, None if observer.exempt else observer)

    # asyncio

    def _wrap_asyncio(self) -> None:
        loop: Any = asyncio.BaseEventLoop
        self._patches.wrap(loop, "_asyncgen_firstiter_hook", self._iterating)
        self._patches.wrap(asyncio.Runner, "close", self._closing)

    def _creating(self, original: Any) -> Any:
        def create_task(loop: Any, *args: Any, **kwargs: Any) -> Any:
            task = original(loop, *args, **kwargs)
            if self.observers and asyncio._get_running_loop() is not None:
                attach(task, self.site(sys._getframe(1)))
            return task

        return create_task

    def _iterating(self, original: Any) -> Any:
        def firstiter(loop: Any, generator: Any) -> None:
            original(loop, generator)
            self.on_first_iteration(generator, sys._getframe(1), loop)

        return firstiter

    def on_first_iteration(self, generator: Any, frame: Any, owner: Any) -> None:
        """An async generator is iterated for the first time, at `frame`, in this loop or run."""
        observer, site = self.observer, self.site(frame)
        if observer is not None and site is not None:
            observer.on_asyncgen(generator, site, owner)

    def _closing(self, original: Any) -> Any:
        from .task_cleanup import close as close_loop

        def close(runner: Any) -> Any:
            loop = getattr(runner, "_loop", None)
            observer = self.observer
            idle = asyncio._get_running_loop() is None
            if observer is not None and idle and loop is not None and not loop.is_closed():
                observer.on_loop_close(loop)
                close_loop(loop, observer.on_uncancellable)
            return original(runner)

        return close

    def _warning(self, original: Any) -> Any:
        def warn(coroutine: Any) -> Any:
            observer = self.observer
            if observer is not None:
                collected = self._collecting_thread == threading.get_ident()
                observer.on_unawaited(coroutine, None if collected else sys._getframe(1))
            return original(coroutine)

        # The warning names a frame so many levels up. Those of the import machinery do not
        # count, and ours must not: filters go by the module that is named.
        warn.__code__ = warn.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        return warn

    def __repr__(self) -> str:
        return f"<Instrumentation: {len(self.observers)} observers>"


INSTRUMENTATION = Instrumentation()


class TrioInstrument:
    """Records trio's tasks; one for each run, which it stays with."""

    def __init__(self, notifier: Instrumentation, main: Any, run: Any) -> None:
        self._notifier = notifier
        self._main = weakref.ref(main)
        self._run = weakref.ref(run)

    def task_spawned(self, task: Any) -> None:
        """A task was created, by the code above."""
        site = self._notifier.site(sys._getframe(1))
        observer = self._notifier.observer
        if site is not None:
            attach(task, site)
            if observer is not None:
                observer.on_task_created(task, site)

    def task_exited(self, task: Any) -> None:
        """A task is over; with the main one, the run is."""
        observer, run = self._notifier.observer, self._run()
        if task is self._main() and run is not None:
            TRIO_RUNS.discard(run)
            if observer is not None:
                observer.on_run_end(run)


def instrument_trio() -> None:
    """Record the tasks and generators of the trio run that the caller is in."""
    import trio

    root: Any = trio.lowlevel.current_root_task()
    if root is None or root in TRIO_RUNS:
        return
    TRIO_RUNS.add(root)
    runner: Any = getattr(getattr(trio, "_core", None), "_run", None)
    context = getattr(getattr(runner, "GLOBAL_RUN_CONTEXT", None), "runner", None)
    main = getattr(context, "main_task", None) or trio.lowlevel.current_task()
    trio.lowlevel.add_instrument(TrioInstrument(INSTRUMENTATION, main, root))  # type: ignore[arg-type]
    before = sys.get_asyncgen_hooks().firstiter

    def firstiter(generator: Any) -> None:
        if before is not None:
            before(generator)
        INSTRUMENTATION.on_first_iteration(generator, sys._getframe(1), root)

    sys.set_asyncgen_hooks(firstiter=firstiter)
