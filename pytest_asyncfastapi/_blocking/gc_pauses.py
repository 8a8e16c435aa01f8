"""Full collections of garbage that come by themselves, in the midst of a step.

When one comes is chance, and so is the line; and the heap of a test process, which is what it
costs, is not the app's. The same is true of `gc.collect()` in a test's own body, and not of one
in an endpoint. Must not know what else a step may have spent its time on.
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

    from .dispatcher import Hub

_FULL = 2  # the generation: younger ones are quick


def mind_collections(hub: Hub) -> Callable[[], None]:
    """Take what they cost off the steps from now on, until the result is called."""

    def heard(phase: str, info: dict[str, Any]) -> None:
        if info["generation"] < _FULL:
            return
        cell = hub.local.__dict__.get("cell")
        if cell is None or not cell.start:
            return
        if phase == "start":
            frame = sys._getframe(1)
            asked = called_names(frame.f_code, frame.f_lasti)[-1:] == ("collect",)
            apps = asked and activity.ACTIVITY.get() not in ("", activity.BODY)
            cell.collecting = (
                () if apps else (thread_stats.perf_counter(), thread_stats.thread_time())
            )
        elif cell.collecting:
            began, cpu = cell.collecting
            cell.explained += thread_stats.perf_counter() - began
            cell.own += thread_stats.thread_time() - cpu
            cell.dirty, cell.collecting = True, ()

    gc.callbacks.append(heard)

    def undo() -> None:
        if heard in gc.callbacks:
            gc.callbacks.remove(heard)

    return undo
