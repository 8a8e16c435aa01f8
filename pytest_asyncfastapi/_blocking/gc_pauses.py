"""Excludes automatic full garbage collections from the time of a step.

When and at which line one runs is chance, and its cost depends on the heap of the test process,
not on the app. The same is true of `gc.collect()` in a test's own body, and not of one
in an endpoint.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from .._core import activity
from .._core.frames import called_names
from . import thread_stats

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dispatcher import Dispatcher

_FULL = 2  # the generation: younger ones are quick


def exclude_gc_pauses(dispatcher: Dispatcher) -> Callable[[], None]:
    """Subtract their time from the steps, until the returned function is called."""

    def on_gc(phase: str, info: dict[str, Any]) -> None:
        if info["generation"] < _FULL:
            return
        state = dispatcher.local.__dict__.get("thread_state")
        if state is None or not state.start:
            return
        if phase == "start":
            frame = sys._getframe(1)
            with dispatcher.exclude_overhead():
                is_explicit = called_names(frame.f_code, frame.f_lasti)[-1:] == ("collect",)
            in_app = is_explicit and activity.ACTIVITY.get() not in ("", activity.BODY)
            state.gc_started = (
                () if in_app else (thread_stats.perf_counter(), thread_stats.thread_time())
            )
        elif state.gc_started:
            began, cpu = state.gc_started
            state.accounted += thread_stats.perf_counter() - began
            state.overhead_cpu += thread_stats.thread_time() - cpu
            state.needs_cleanup, state.gc_started = True, ()

    gc.callbacks.append(on_gc)

    def undo() -> None:
        if on_gc in gc.callbacks:
            gc.callbacks.remove(on_gc)

    return undo
