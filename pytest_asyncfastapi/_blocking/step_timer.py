"""The step timer: which step of a loop was too long, and what the thread did meanwhile.

Each step is timed by two readings of the clock, and cut where one request
ends and another begins. A watchdog thread samples the stack of steps that
already take long. The thread's statistics are read now and then as a
step begins, so that a step can be judged by what it cost and not by how long it took.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from asyncio import format_helpers
from contextvars import copy_context
from threading import get_ident
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY, on_activity_change
from .._core.creation_site import creation_site_of_handle, current_creation_site
from .._core.patches import Patches
from . import thread_stats
from .call_stack import read_stack, stack_of_callback
from .debug_stacks import summarise_lines_once
from .frame_stack import reserve_frame_stack
from .gc_pauses import exclude_gc_pauses
from .slow_steps import Sample, Stall
from .trio_steps import TrioStepTimer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from .dispatcher import Dispatcher
    from .thread_state import ThreadState

_sleep = time.sleep
_MAX_SAMPLES = 400
_LEAST_SLICES = 50  # a slice is cut where it is longer than this part of the threshold
_MAX_STATS_AGE = 0.005  # seconds: statistics this young are not read again


class StepTimer:
    """Times the steps of every loop of the process while it is started."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.threshold = 0.05
        self._least_slice = self.threshold / _LEAST_SLICES
        self.attach_profiler: Callable[[], None] | None = None  # the profile function attaches here
        self.detach_profiler: Callable[[], None] = lambda: None  # and detaches here
        self._clock = getattr(thread_stats.perf_counter, "func", thread_stats.perf_counter)
        self._live = False
        self._switch: Callable[[bool], None] | None = (
            None  # turns the wrapper of the loop's step on or off
        )
        self._forget_loop: Callable[[], None] = lambda: None
        self._trio = TrioStepTimer(dispatcher, self)
        self._patches = Patches()
        self._undo: list[Callable[[], None]] = []
        self._watchdog: threading.Thread | None = None
        self._watchdog_enabled = threading.Event()

    def start(self, threshold: float) -> None:
        """Begin to time steps; those older than `threshold` seconds are judged."""
        self.threshold = self._dispatcher.threshold = threshold
        self._least_slice = threshold / _LEAST_SLICES
        if self._live:
            self._set_live(True)  # with the new threshold
            return
        if self._switch is not None and not self._is_in_place():
            self.stop()
        if self._switch is None:
            self._patches.wrap(asyncio.events.Handle, "_run", self._wrap_run)
            self._undo += [
                on_activity_change(self._activity_changes),
                reserve_frame_stack(self._loop_ended),
                exclude_gc_pauses(self._dispatcher),
                summarise_lines_once(),
            ]
        self._trio.install()
        self._set_live(True)
        self._dispatcher.thread_state()
        if self._watchdog is None or not self._watchdog.is_alive():
            self._watchdog = threading.Thread(
                target=self._run_watchdog, name="asyncfastapi-step-timer", daemon=True
            )
            self._watchdog.start()
        if not self._watchdog_enabled.is_set():
            self._watchdog_enabled.set()

    def pause(self) -> None:
        """Stop timing, but leave everything in place: another test begins soon.

        CPython 3.13 caches the attributes of a class only until it was changed a thousand times.
        """
        self._set_live(False)

    def stop(self) -> None:
        """Restore everything; the watchdog goes to sleep."""
        self._set_live(False)
        self._watchdog_enabled.clear()
        self._switch = None
        self._trio.remove()
        self._patches.undo()
        undo, self._undo = self._undo, []
        for action in undo:
            action()

    def _set_live(self, on: bool) -> None:
        self._live = self._trio.live = on
        if self._switch is not None:
            self._switch(on)

    def is_working(self) -> bool:
        """Is the wrapper of the loop's step still in place?"""
        return self._live and self._is_in_place()

    def _is_in_place(self) -> bool:
        return self._patches.in_place()

    def _activity_changes(self) -> None:
        """End the slice, unless it is too short to matter: each request pays for this twice."""
        state = self._dispatcher.thread_states.get(get_ident())
        if state is None or not state.start:
            return
        if self._clock() - state.start > self._least_slice or self.attach_profiler is not None:
            self.split_step()

    def split_step(self) -> None:
        """End one slice of the calling thread's step, and begin another.

        Called before the activity changes, or what is allowed: a slice is judged by the context
        that it ends in.
        """
        state = self._dispatcher.thread_states.get(get_ident())
        if state is None or not state.start:
            return
        now = self._clock()
        took = now - state.start
        state.step_times.append(took)
        if took > self.threshold:
            self.judge_slow_step(state, now, copy_context(), None)
            now = self._clock()
        state.needs_cleanup = True
        state.accounted = state.overhead_cpu = 0.0
        if self.attach_profiler is not None:
            self.attach_profiler()
        if now > state.stats_valid_until:
            state.read_stats()
            now = self._clock()
        state.start = now

    def _wrap_run(self, original: Any) -> Any:  # noqa: PLR0915 - as below
        dispatcher, timer = self._dispatcher, self
        clock = self._clock  # in a closure, where nothing that replaces clocks can find it
        live, limit = False, self.threshold
        kinds, entries = dispatcher.catalog.callable_types, dispatcher.catalog.entries
        no_loop: Any = SimpleNamespace(loop=None)
        latest = no_loop  # the state of the thread on which the last step was
        usual_kind: type = type(None)  # of callbacks, most often: the catalog has none of this type
        is_asyncio = getattr(original, "__module__", "") == "asyncio.events"

        # Some microseconds between two awaits are all that a step takes: what is not done
        # for each of them is what makes the guard cheap. So the few lines of asyncio's own
        # step are written here again: to call them took a quarter of the time.
        def _run(self: Any) -> None:  # noqa: PLR0912 - one function: each step pays for a call
            nonlocal latest, usual_kind
            state = latest
            if state.loop is not self._loop:
                if not live:
                    original(self)
                    return
                state = dispatcher.thread_state()
                state.loop = self._loop
                latest = state
            if state.start > 0.0:
                timer._run_nested(state, self)
                return
            state.start = now = clock()
            if now > state.stats_valid_until:
                timer.refresh_stats(state)
            callback = self._callback
            if (kind := type(callback)) is not usual_kind:
                if kind not in kinds:
                    usual_kind = kind
                elif callback in entries:
                    timer._record_callback(self)
            try:
                if is_asyncio:
                    if self._args:
                        self._context.run(callback, *self._args)
                    else:  # a step of a task, mostly: without the list and the tuple of `*`
                        self._context.run(callback)
                else:
                    original(self)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                if not is_asyncio:
                    raise
                _report_exception(self, error)
            finally:
                now = clock()
                took = now - state.start
                state.step_times.append(took)
                if took > limit:
                    timer.judge_slow_step(state, now, self._context, self)
                state.start = 0.0
                if state.needs_cleanup:
                    state.end_step()
                    if timer.attach_profiler is not None:
                        timer.attach_profiler()
                # As asyncio does: the traceback of an exception of the step keeps this frame.
                self = state = callback = None

        def switch(on: bool) -> None:
            nonlocal live, limit
            # Also if another tool wrapped it later.
            live, limit = on, timer.threshold if on else math.inf
            forget_loop()

        def forget_loop() -> None:
            nonlocal latest, usual_kind
            latest, usual_kind = no_loop, type(None)

        self._switch, self._forget_loop = switch, forget_loop
        return _run

    def _loop_ended(self) -> None:
        """A loop has stopped, on its own thread: it may run on another one next."""
        self._forget_loop()
        state = self._dispatcher.thread_states.get(get_ident())
        if state is not None:
            state.loop = None
        self.detach_profiler()

    def _run_nested(self, state: ThreadState, handle: Any) -> None:
        """A step of a loop that runs inside a step of another one: each has its own start."""
        outer = state.suspend()
        began = thread_stats.perf_counter()
        try:
            handle._run()
        finally:
            took = thread_stats.perf_counter() - began
            # What is reported as a step of the inner loop is not reported again.
            state.resume(outer, took if took > self.threshold else 0.0)

    def refresh_stats(self, state: ThreadState) -> None:
        """The first step, or the first for a while: read the thread's statistics now.

        On the thread itself this is several times as fast as by the watchdog.
        """
        state.start = 0.0
        state.runs_loop = True
        if self.attach_profiler is not None:
            self.attach_profiler()
        last = state.last_stats
        if last is not None and thread_stats.perf_counter() - last.at < _MAX_STATS_AGE:
            state.set_stats(last)
            state.page_faults = thread_stats.major_page_faults()
        else:
            state.read_stats()
        state.start = thread_stats.perf_counter()

    def _record_callback(self, handle: Any) -> None:
        """`call_soon(time.sleep, 1)`: C calls C, with no event but this handle."""
        entry = self._dispatcher.catalog.entries[handle._callback]
        arg0 = handle._args[0] if handle._args else None
        run, started = handle._context.run, self._dispatcher.call_started
        frame = sys._getframe()
        run(started, entry, handle._callback, arg0, frame, "step timer: the callback")

    def end_step(self, state: ThreadState) -> None:
        """Forget the step that has ended, on its own thread."""
        state.end_step()
        if self.attach_profiler is not None:
            self.attach_profiler()

    def judge_slow_step(
        self, state: ThreadState, now: float, context: Context, callback: object
    ) -> None:
        """Judge a slice that was too long; on its own thread, right after it."""
        state.paused = True
        try:
            stall = self._measure(state, now, context, callback)
            if stall is not None:
                for listener in self._dispatcher.active_listeners():
                    listener._record_stall(stall)
        except Exception as error:
            self._dispatcher.internal_error = f"the guard itself failed: {error!r}"
        finally:
            state.paused = False

    def _measure(
        self, state: ThreadState, now: float, context: Context, callback: object
    ) -> Stall | None:
        started = state.start
        rest = now - started - state.accounted
        was_sampled = state.sampled_slice == started
        base = state.base_stats if was_sampled else state.last_stats
        samples = tuple(state.samples) if was_sampled else ()
        stats = state.stats_reader.read()
        if rest < self.threshold / 10 or base is None or stats is None:
            return None
        # Exclude what the thread may have computed before this step.
        before = max(0.0, started - base.at - (self.threshold if base.from_scheduler else 0.0))
        own = state.overhead_cpu + (stats.events - base.events) * thread_stats.OVERHEAD.each
        cpu = max(0.0, min(rest, stats.cpu - base.cpu - own - before))
        # Whether the time before the first reading was a wait is not known.
        known = rest - max(0.0, base.at - started)
        blocked = known - (stats.cpu - base.cpu) - (stats.delay - base.delay)
        page_faults, state.page_faults = state.page_faults, thread_stats.major_page_faults()
        if not any(sample.sleeping_in for sample in samples):
            # It may have slept while its own code was read from the disk.
            once = thread_stats.is_single_sleep(blocked, rest, stats.switches - base.switches)
            blocked = blocked if once and page_faults == state.page_faults else 0.0
        if not samples and callback is not None:
            callback_stack = stack_of_callback(getattr(callback, "_callback", None))
            samples = (Sample(callback_stack, ""),) if callback_stack else ()
        label = context.get(ACTIVITY, "")
        name = "" if callback is None else repr(callback)
        site = current_creation_site() if callback is None else creation_site_of_handle(callback)
        return Stall(
            rest, cpu, blocked, stats.from_scheduler, samples, context, label, name, started, site
        )

    def _run_watchdog(self) -> None:
        while True:
            if not self._watchdog_enabled.is_set():
                self._watchdog_enabled.wait()
            # Never for long: the next guard may have a lower threshold.
            _sleep(min(0.05, max(0.002, self.threshold / 2)))
            dispatcher = self._dispatcher
            dispatcher.watchdog_woke_at = thread_stats.perf_counter()
            try:
                self._sample_all()
            except Exception as error:
                dispatcher.internal_error = f"the watchdog failed: {error!r}"
            dispatcher.watchdog_time += thread_stats.perf_counter() - dispatcher.watchdog_woke_at
            dispatcher.watchdog_woke_at = 0.0

    def _sample_all(self) -> None:
        """Not in `_run_watchdog()`, whose frame would keep the last state while it sleeps."""
        for state in list(self._dispatcher.thread_states.values()):
            if state.runs_loop:
                self._sample(state)

    def _sample(self, state: ThreadState) -> None:
        started, now = state.start, thread_stats.perf_counter()
        if not started or now - started < self.threshold / 2 or state.open_calls or state.paused:
            return
        frame = sys._current_frames().get(state.ident) if thread_stats.GIL else None
        # First, as the thread moves on as soon as this one waits for anything.
        stack = read_stack(frame) if frame is not None else []
        before = state.last_stats
        if started != state.sampled_slice:
            state.base_stats, state.samples, state.sampled_slice = before, [], started
            before = None
        samples = state.samples
        if not stack or len(samples) >= _MAX_SAMPLES:
            return
        # Kept now: each reading below may wait for the GIL until the step is over.
        samples.append(Sample(stack, ""))
        sleeping_in = state.stats_reader.sleeping_in()
        stats = state.stats_reader.read()
        if state.start != started:
            return  # the next step is under way: these are not from before it
        state.set_stats(stats)
        if before is None or stats is None:
            slept = sleeping_in != "futex"  # which may be only the GIL
        else:
            slept = before.switches == stats.switches
        if slept and sleeping_in:
            samples[-1] = Sample(stack, sleeping_in)

    def __repr__(self) -> str:
        return f"<StepTimer: {'on' if self._live else 'off'}, {self.threshold} s>"


def _report_exception(handle: Any, error: BaseException) -> None:
    """What asyncio does with an exception of a callback."""
    if error.__traceback__ is not None:
        error = error.with_traceback(error.__traceback__.tb_next)  # without this plugin's frame
    source: Any = format_helpers._format_callback_source
    debug = {"debug": handle._loop.get_debug()} if sys.version_info >= (3, 13) else {}
    context = {
        "message": f"Exception in callback {source(handle._callback, handle._args, **debug)}",
        "exception": error,
        "handle": handle,
    }
    if handle._source_traceback:
        context["source_traceback"] = handle._source_traceback
    handle._loop.call_exception_handler(context)
