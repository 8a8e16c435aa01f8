"""The use of the thread pools in a test, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._core.units import show

if TYPE_CHECKING:
    from .._core.findings import Location

_SHOWN = 3  # requests that a report names


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait for a thread, from `since` to `until` on the loop's own clock."""

    activity: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class PoolReport:
    """What one pool of threads had to do.

    Attributes:
        name: The name of the pool.
        size: How many threads it has at most.
        calls: How many calls it ran.
        peak: The most threads in use at one time.
        queued: How many calls found no thread free.
        longest_queue: The most calls waiting at one time.
        longest_wait: Seconds on the clock in force.
        waiters: How many calls waited, by the request that made them.
        waits: Each wait.
        where: A function that one of the waiting calls was to run.
    """

    name: str
    size: float
    calls: int = 0
    peak: int = 0
    queued: int = 0
    longest_queue: int = 0
    longest_wait: float = 0.0
    waiters: dict[str, int] = field(default_factory=dict)
    waits: tuple[Wait, ...] = ()
    where: Location | None = None

    def __str__(self) -> str:
        text = f"{self.name}: {self.peak} of {self.size:g} threads in use at most"
        if not self.queued:
            return f"{text}, nobody waited"
        most = sorted(self.waiters.items(), key=lambda one: -one[1])
        who = ", ".join(f"{name or 'no request'} x {n}" for name, n in most[:_SHOWN])
        if len(most) > _SHOWN:
            who += f" and {len(most) - _SHOWN} more"
        return f"{text}, {self.queued} calls waited, up to {show(self.longest_wait)} ({who})"
