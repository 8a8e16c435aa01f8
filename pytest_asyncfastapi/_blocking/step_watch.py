"""The step watch: which step of a loop was too long, and what the thread did meanwhile.

Each step is timed by two readings of the clock, and cut where one request
ends and another begins. A watchdog thread looks at steps that are old
already, and samples the stack. The thread's figures are read as a step begins,
now and then, so that a step can be judged by what it cost and not by how long it took.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from asyncio import format_helpers
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core import activity
from .._core.creation_site import creation_site_of_handle, current_creation_site
from .._core.patches import Patches
from . import thread_stats
from .frame_stack import make_room
from .gc_pauses import mind_collections
from .stack_analysis import Spot, spots, spots_of_callback
from .trio_steps import TrioSteps

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.creation_site import CreationSite
    from .dispatcher import Hub
    from .thread_state import Cell

_sleep = time.sleep
_MOST_SAMPLES = 400
_FRESH = 0.005  # seconds: figures this old need not be read again


@dataclass(frozen=True, slots=True)
class Sample:
    """The stack of a thread at one moment of a long step, and where it slept, if it did."""

    stack: list[Spot]
    asleep: str


@dataclass(frozen=True, slots=True)
class Stall:
    """A step that was too long, in seconds.

    `wall` is what it took beyond the calls that were recorded; of that `cpu`
    was spent computing and `blocked` asleep in the kernel, the rest was
    waiting for a processor or for the GIL. `proven` says that the system's
    scheduler was asked, and not only the clocks.
    """

    wall: float
    cpu: float
    blocked: float
    proven: bool
    samples: tuple[Sample, ...]
    context: Context
    label: str
    callback: str
    started: float
    site: CreationSite | None = None


class StepWatch:
    """Times the steps of every loop of the process while it is started."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.threshold = 0.05
        self.on_thread: Callable[[], None] | None = None  # the profile tap attaches here
        self.off_thread: Callable[[], None] = lambda: None  # and detaches here
        self._live = False
        self._switch: Callable[[bool], None] | None = None  # of what is in the loop's step
        self._forget_loop: Callable[[], None] = lambda: None
        self._trio = TrioSteps(hub, self)
        self._patches = Patches()
        self._undo: list[Callable[[], None]] = []
        self._watchdog: threading.Thread | None = None
        self._awake = threading.Event()

    def start(self, threshold: float) -> None:
        """Begin to time steps; those older than `threshold` seconds are judged."""
        self.threshold = self._hub.threshold = threshold
        if self._live:
            self._turn(True)  # with the new threshold
            return
        if self._switch is not None and not self._is_in_place():
            self.stop()
        if self._switch is None:
            self._patches.wrap(asyncio.events.Handle, "_run", self._around)
            self._undo += [activity.on_activity_change(self.cut), make_room(self._loop_ended)]
            self._undo += [mind_collections(self._hub)]
        self._trio.install()
        self._turn(True)
        self._hub.cell()
        if self._watchdog is None or not self._watchdog.is_alive():
            self._watchdog = threading.Thread(
                target=self._watch, name="asyncfastapi-step-watch", daemon=True
            )
            self._watchdog.start()
        self._awake.set()

    def rest(self) -> None:
        """Time nothing for now, but leave everything in place: another test begins soon.

        CPython 3.13 caches the attributes of a class only until it was changed a thousand times.
        """
        self._turn(False)

    def stop(self) -> None:
        """Put everything back; the watchdog goes to sleep."""
        self._turn(False)
        self._awake.clear()
        self._switch = None
        self._trio.remove()
        self._patches.undo()
        undo, self._undo = self._undo, []
        for action in undo:
            action()

    def _turn(self, on: bool) -> None:
        self._live = self._trio.live = on
        if self._switch is not None:
            self._switch(on)

    def is_armed(self) -> bool:
        """Is the loop's step still ours to time?"""
        return self._live and self._is_in_place()

    def _is_in_place(self) -> bool:
        return self._patches.in_place()

    def cut(self) -> None:
        """End the slice here and begin another: the calling thread's activity changes."""
        cell = self._hub.cells.get(threading.get_ident())
        if cell is None or not cell.start:
            return
        now = thread_stats.perf_counter()
        took = now - cell.start
        cell.steps.append(took)
        if took > self.threshold:
            self.close(cell, now, copy_context(), None)
            now = thread_stats.perf_counter()
        cell.label = activity.ACTIVITY.get()
        cell.dirty = True
        cell.explained = cell.own = 0.0
        if self.on_thread is not None:
            self.on_thread()
        if now > cell.stale:
            cell.refresh()
            now = thread_stats.perf_counter()
        cell.start = now

    def _around(self, original: Any) -> Any:  # noqa: PLR0915 - as below
        hub, watch = self._hub, self
        # In a closure, where nothing that replaces clocks can find it.
        clock = getattr(thread_stats.perf_counter, "func", thread_stats.perf_counter)
        live, limit = False, self.threshold
        kinds, entries = hub.catalog.kinds, hub.catalog.entries
        # The loop whose step was the last one, and the cell of its thread: a tuple, as the
        # loops of several threads may take turns.
        latest: tuple[Any, Any] = (None, None)
        plain: type = type(None)  # of callbacks, most often: the catalog has none of this type
        own = getattr(original, "__module__", "") == "asyncio.events"

        # Some microseconds between two awaits are all that a step takes: what is not done
        # for each of them is what makes the guard cheap. So the few lines of asyncio's own
        # step are written here again: to call them took a quarter of the time.
        def _run(self: Any) -> None:  # noqa: PLR0912 - one function: each step pays for a call
            nonlocal latest, plain
            loop, cell = latest
            if self._loop is not loop:
                if not live:
                    original(self)
                    return
                cell = hub.cell()
                latest = (self._loop, cell)
            if cell.start > 0.0:
                watch._run_inside(cell, self)
                return
            cell.start = now = clock()
            if now > cell.stale:
                watch.late(cell)
            callback = self._callback
            if (kind := type(callback)) is not plain:
                if kind not in kinds:
                    plain = kind
                elif callback in entries:
                    watch._no_frame_calls(self)
            try:
                if own:
                    self._context.run(callback, *self._args)
                else:
                    original(self)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                if not own:
                    raise
                _report_exception(self, error)
            finally:
                now = clock()
                took = now - cell.start
                cell.steps.append(took)
                if took > limit and live:
                    watch.close(cell, now, self._context, self)
                cell.start = 0.0
                if cell.dirty:
                    watch.clean(cell)

        def switch(on: bool) -> None:
            nonlocal live, limit
            live, limit = on, watch.threshold  # for whoever wrapped it after us, too
            forget_loop()

        def forget_loop() -> None:
            nonlocal latest, plain
            latest, plain = (None, None), type(None)

        self._switch, self._forget_loop = switch, forget_loop
        return _run

    def _loop_ended(self) -> None:
        """A loop has stopped, on its own thread: it may run on another one next."""
        self._forget_loop()
        self.off_thread()

    def _run_inside(self, cell: Cell, handle: Any) -> None:
        """A step of a loop that runs inside a step of another one: each has its own start."""
        outer = cell.suspend()
        began = thread_stats.perf_counter()
        try:
            handle._run()
        finally:
            took = thread_stats.perf_counter() - began
            # What is reported as a step of the inner loop is not reported again.
            cell.resume(outer, took if took > self.threshold else 0.0)

    def late(self, cell: Cell) -> None:
        """The first step, or none has begun for long: read the thread's figures now.

        By the thread itself, which is several times as quick as to have the watchdog read them.
        """
        cell.start = 0.0
        cell.on_loop = True
        if self.on_thread is not None:
            self.on_thread()
        if cell.last is not None and thread_stats.perf_counter() - cell.last.at < _FRESH:
            cell.note(cell.last)
            cell.pages = thread_stats.pages_read()
        else:
            cell.refresh()
        cell.start = thread_stats.perf_counter()

    def _no_frame_calls(self, handle: Any) -> None:
        """`call_soon(time.sleep, 1)`: C calls C, and only the handle knows of it."""
        entry = self._hub.catalog.entries[handle._callback]
        arg0 = handle._args[0] if handle._args else None
        run, frame = handle._context.run, sys._getframe()
        run(self._hub.enter, entry, handle._callback, arg0, frame, "step watch: the callback")

    def clean(self, cell: Cell) -> None:
        """Forget the step that has ended, on its own thread."""
        cell.clean()
        if self.on_thread is not None:
            self.on_thread()

    def close(self, cell: Cell, now: float, context: Context, callback: object) -> None:
        """Judge a slice that was too long; on its own thread, right after it."""
        cell.busy = True
        try:
            stall = self._measure(cell, now, context, callback)
            if stall is not None:
                for listener in self._hub.listening():
                    listener._stalled(stall)
        except Exception as error:
            self._hub.broken = f"the guard itself failed: {error!r}"
        finally:
            cell.busy = False

    def _measure(self, cell: Cell, now: float, context: Context, callback: object) -> Stall | None:
        started = cell.start
        rest = now - started - cell.explained
        looked = cell.sampled_slice == started
        base = cell.base if looked else cell.last
        samples = tuple(cell.samples) if looked else ()
        figures = cell.figures.snapshot()
        if rest < self.threshold / 10 or base is None or figures is None:
            return None
        # What the thread may have computed before this step is not the step's.
        before = max(0.0, started - base.at - (self.threshold if base.proven else 0.0))
        own = cell.own + (figures.events - base.events) * thread_stats.OVERHEAD.each
        cpu = max(0.0, min(rest, figures.cpu - base.cpu - own - before))
        # Of what was before the first reading nobody can say that it was a wait.
        known = rest - max(0.0, base.at - started)
        blocked = known - (figures.cpu - base.cpu) - (figures.delay - base.delay)
        pages, cell.pages = cell.pages, thread_stats.pages_read()
        if not any(sample.asleep for sample in samples):
            # It may have slept until its own code had come from the disk.
            once = thread_stats.one_sleep(blocked, rest, figures.switches - base.switches)
            blocked = blocked if once and pages == cell.pages else 0.0
        if not samples and callback is not None:
            near = spots_of_callback(getattr(callback, "_callback", None))
            samples = (Sample(near, ""),) if near else ()
        label = cell.label if cell.label is not None else context.get(activity.ACTIVITY, "")
        name = "" if callback is None else repr(callback)
        site = current_creation_site() if callback is None else creation_site_of_handle(callback)
        return Stall(
            rest, cpu, blocked, figures.proven, samples, context, label, name, started, site
        )

    def _watch(self) -> None:
        while True:
            if not self._awake.is_set():
                self._awake.wait()
            # Never for long: the next guard may have a lower threshold.
            _sleep(min(0.05, max(0.002, self.threshold / 2)))
            hub = self._hub
            hub.awoke = thread_stats.perf_counter()
            try:
                for cell in list(hub.cells.values()):
                    if cell.on_loop:
                        self._look(cell)
            except Exception as error:
                hub.broken = f"the watchdog failed: {error!r}"
            hub.awake += thread_stats.perf_counter() - hub.awoke
            hub.awoke = 0.0

    def _look(self, cell: Cell) -> None:
        started, now = cell.start, thread_stats.perf_counter()
        if not started or now - started < self.threshold / 2 or cell.pending or cell.busy:
            return
        frame = sys._current_frames().get(cell.ident) if thread_stats.GIL else None
        # First of all: the thread moves on as soon as this one waits for anything.
        stack = spots(frame) if frame is not None else []
        before = cell.last
        if started != cell.sampled_slice:
            cell.base, cell.samples, cell.sampled_slice = before, [], started
            before = None
        samples = cell.samples
        if not stack or len(samples) >= _MOST_SAMPLES:
            return
        # Kept at once: each reading below may wait for the GIL until the step is over.
        samples.append(Sample(stack, ""))
        asleep = cell.figures.sleeping_in()
        figures = cell.figures.snapshot()
        cell.note(figures)
        if before is None or figures is None:
            slept = asleep != "futex"  # which is perhaps only the GIL
        else:
            slept = before.switches == figures.switches
        if slept and asleep:
            samples[-1] = Sample(stack, asleep)

    def __repr__(self) -> str:
        return f"<StepWatch: {'on' if self._live else 'off'}, {self.threshold} s>"


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
