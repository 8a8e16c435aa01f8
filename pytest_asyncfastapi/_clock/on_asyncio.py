"""Virtual time on an asyncio loop that is already running.

Installed on the loop instance, so anyio's runner and pytest-asyncio work
alike, and removed again. `selector.py` decides when it is safe to jump.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._core.await_chains import describe_tasks
from .._core.patches import Patches
from .errors import ClockError
from .jump_policy import JumpPolicy, Policy
from .pending_work import PendingWork
from .selector import VirtualSelect
from .timeline import AsyncioTimeline, ShiftedTime

if TYPE_CHECKING:
    from collections.abc import Callable


class AsyncioInstallation:
    """What is put on one loop; `uninstall()` takes it off."""

    def __init__(
        self,
        loop: Any,
        notes: list[str],
        *,
        freeze_bound: float,
        policy: Policy,
        on_deadlock: Callable[[str], None],
    ) -> None:
        _check(loop)
        self.owner: Any = loop
        self.timeline = timeline = AsyncioTimeline(loop)
        self.jump_policy = JumpPolicy(timeline, notes, freeze_bound=freeze_bound, policy=policy)
        self.work = work = PendingWork(loop)
        self._select = select = VirtualSelect(
            loop,
            loop._selector.select,
            self.jump_policy,
            work,
            on_deadlock=lambda: on_deadlock(describe_tasks(loop)),
        )
        self._stock_time = loop.time

        def time() -> float:
            return timeline.now

        loop.time = time
        self._patches = Patches()
        self._patches.replace(loop, "call_at", timeline.call_at)
        self._patches.wrap(loop, "create_future", work.watch_create_future)
        self._patches.wrap(loop, "run_in_executor", work.watch_run_in_executor)
        self._patches.replace(loop._selector, "select", select.select)

    def is_here(self) -> bool:
        """Is the caller running in this loop?"""
        try:
            return asyncio.get_running_loop() is self.owner
        except RuntimeError:
            return False

    def uninstall(self, error: Exception) -> None:
        """Give the loop its own time, which goes on from here; `error` for who waits for us."""
        loop, timeline = self.owner, self.timeline
        self._select.on = False
        self._patches.undo()
        loop.time = ShiftedTime(self._stock_time, timeline.now)
        if not loop.is_closed():
            timeline.fail_waiters(error)

    def __repr__(self) -> str:
        return f"<AsyncioInstallation {self.timeline!r}, {self.jump_policy!r}>"


def check_selector(loop: Any) -> None:
    """Raises `ClockError`, with a remedy, for a loop whose time cannot be virtual."""
    if not hasattr(getattr(loop, "_selector", None), "get_map"):
        name = f"{type(loop).__module__}.{type(loop).__qualname__}"
        if "Proactor" in name:
            raise ClockError(
                f"virtual time needs an event loop with a selector; {name}, the default on "
                "Windows, has none. Fix: a fixture `anyio_backend` that returns "
                '("asyncio", {"loop_factory": asyncio.SelectorEventLoop})'
            )
        raise ClockError(
            f"virtual time needs asyncio's own event loop; {name} (uvloop?) does not show "
            "when it is idle: remove it for this test or don't ask for `clock`"
        )


def _check(loop: Any) -> None:
    check_selector(loop)
    other = getattr(loop._selector.select, "__self__", None)
    if isinstance(other, VirtualSelect) and other.on:
        raise RuntimeError(f"another clock is already installed on {loop!r}; one clock a loop")
