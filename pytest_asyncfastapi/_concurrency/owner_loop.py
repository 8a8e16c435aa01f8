"""In which loop, or trio run, something was made, and whether that goes on."""

from __future__ import annotations

import weakref
from typing import Any

# The runs of trio that are watched and go on, by their root task.
TRIO_RUNS: weakref.WeakSet[Any] = weakref.WeakSet()


def is_alive(owner: Any) -> bool:
    """Is this a loop, or a run of trio, that has not ended?"""
    if owner is None:
        return False
    closed = getattr(owner, "is_closed", None)
    return owner in TRIO_RUNS if closed is None else not closed()
