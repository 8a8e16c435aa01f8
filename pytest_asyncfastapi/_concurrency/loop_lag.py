"""Loop lag: how long one step of the loop kept all others waiting, in a test or a load.

Computed from step times that the blocking guard has measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._core.units import show

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class LoopLag:
    """The longest and the 99th percentile of the step times, in seconds of real time."""

    steps: int
    p99: float
    longest: float

    def __str__(self) -> str:
        return f"max {show(self.longest)}, p99 {show(self.p99)} ({self.steps} steps)"


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of values in rising order; 0.0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def loop_lag(times: Sequence[float]) -> LoopLag | None:
    """Sum up step times (seconds); None when there are none."""
    if not times:
        return None
    ordered = sorted(times)
    return LoopLag(len(ordered), percentile(ordered, 99), ordered[-1])
