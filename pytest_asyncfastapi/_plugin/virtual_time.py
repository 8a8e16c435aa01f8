"""Virtual time for one test, put on the loop that runs."""

from __future__ import annotations

from typing import Any


def install(state: Any, *, required: bool) -> None:
    """Put it on the running loop, if there is one; see `TestState.start_clock()`."""
    import asyncio

    from .._clock import ClockError
    from .._core.current_loop import in_trio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        if not (required or in_trio()):
            return
        loop = None
    try:
        state.clock.install(loop)
    except ClockError as error:
        if required:
            raise
        state.note(f"{error}; this test runs in real time")
