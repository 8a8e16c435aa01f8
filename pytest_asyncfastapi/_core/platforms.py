"""What the operating system does not report, and so what cannot be watched on it."""

from __future__ import annotations

import os

# The scheduler's figures of a thread: what it waited for, and for how long.
_FIGURES = "/proc/self/schedstat"


def limitations(blocking: str) -> str:
    """A line for the report's header, where the blocking guard is on and cannot see all."""
    if blocking == "off" or os.path.exists(_FIGURES):
        return ""
    return (
        "asyncfastapi: this system does not tell when a thread sleeps, so C code that waits is "
        "found only where the guard knows its name; computing and other calls are found"
    )
