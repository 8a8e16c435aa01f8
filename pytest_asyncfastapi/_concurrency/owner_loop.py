"""In which loop, or trio run, something was made, and whether that goes on."""

from __future__ import annotations

import asyncio
import sys
import weakref
from typing import Any

# The runs of trio that are watched and go on, by their root task.
TRIO_RUNS: weakref.WeakSet[Any] = weakref.WeakSet()


def owner_of_caller() -> Any:
    """The loop that the caller is in, or the root task of its trio run; None in neither."""
    loop = asyncio._get_running_loop()
    trio: Any = sys.modules.get("trio")
    if loop is None and trio is not None and trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_root_task()
    return loop


def is_alive(home: Any) -> bool:
    """Is this a loop, or a run of trio, that has not ended?"""
    if home is None:
        return False
    closed = getattr(home, "is_closed", None)
    return home in TRIO_RUNS if closed is None else not closed()
