"""Where the caller runs (asyncio's loop, a trio run, or neither), and what time it is there.

asyncio is checked first: it is nearly always the one. trio is checked only where it has been
imported.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from .real_time import monotonic

if TYPE_CHECKING:
    import threading


class _TrioRuns:
    """Where trio keeps the run of each thread, once trio is imported."""

    local: threading.local | None = None

    @classmethod
    def find(cls) -> threading.local | None:
        """That place; None while trio is not imported, or only being imported."""
        cls.local = getattr(sys.modules.get("trio._core._run"), "GLOBAL_RUN_CONTEXT", None)
        return cls.local


def in_trio() -> bool:
    """Does a task of trio run in this thread right now?

    A run as a guest, which anyio's runner has, stays in its thread between the steps of its tasks,
    too: what its host does meanwhile, a plain fixture say, is not in the loop.

    The blocking guard asks at each event. `trio.lowlevel.in_trio_task()` raises an error inside to
    say no, so it is asked only where trio keeps its runs elsewhere.
    """
    local = _TrioRuns.local
    if local is None:
        if "trio" not in sys.modules:
            return False
        local = _TrioRuns.find()
    if local is not None:
        return "task" in local.__dict__
    # While trio is being imported, the module is there without its names.
    in_trio_task = getattr(sys.modules.get("trio.lowlevel"), "in_trio_task", None)
    return in_trio_task is not None and bool(in_trio_task())


def _trio() -> Any:
    """The module, if the caller is in a trio run."""
    return sys.modules["trio"] if in_trio() else None


def current_loop() -> Any:
    """The running loop of asyncio, or the root task of the trio run; None in neither."""
    loop = asyncio._get_running_loop()
    if loop is None and (trio := _trio()) is not None:
        return trio.lowlevel.current_root_task()
    return loop


def current_task() -> Any:
    """The task, of either library, that the caller is in; None in neither."""
    if asyncio._get_running_loop() is not None:
        return asyncio.current_task()
    trio = _trio()
    return None if trio is None else trio.lowlevel.current_task()


def now() -> float:
    """Seconds on the clock in force: the loop's, the trio run's, or the machine's."""
    return now_with_clock()[0]


def now_with_clock() -> tuple[float, str]:
    """Seconds on the clock in force; `"trio"` for that one, which starts at a random number."""
    loop = asyncio._get_running_loop()
    if loop is not None:
        return loop.time(), ""
    trio = _trio()
    return (monotonic(), "") if trio is None else (trio.current_time(), "trio")


async def checkpoint() -> None:
    """Let everything else that is ready run once: anyio's checkpoint, without its look-ups."""
    if asyncio._get_running_loop() is None:
        import trio

        await trio.lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)
