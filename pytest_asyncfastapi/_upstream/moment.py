"""The current time, and a checkpoint: used at every upstream call.

anyio looks up its backend at every call; asyncio is tried first, and is
mostly it.
"""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel


def now() -> float:
    """Seconds on the clock in force."""
    return now_with_clock()[0]


def now_with_clock() -> tuple[float, str]:
    """Seconds on the clock in force, and its name where it does not start as the process's does."""
    try:
        return asyncio.get_running_loop().time(), ""
    except RuntimeError:
        return anyio.current_time(), "trio"


async def yield_once() -> None:
    """Let the others run, as a real call always does.

    Without this, concurrent requests to the app would run one after the other
    and hide their races.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        await anyio.lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)
