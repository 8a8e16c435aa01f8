"""The report of a load: a small table for people, attributes for tests, JSON for tools."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.units import show
from .loop_lag import LoopLag, percentile

if TYPE_CHECKING:
    from .thread_report import PoolReport


@dataclass(frozen=True, slots=True)
class LoadError:
    """A request that raised: its number, counted from 0, and the exception."""

    index: int
    error: BaseException

    def __str__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The report of a load.

    All times are seconds on the clock in force (virtual time where it is on).

    Attributes:
        n: How many requests were made.
        concurrency: How many were allowed at a time.
        duration: From the first request to the end of the last.
        latencies: Those of the requests that did not raise, in the order of their numbers.
        statuses: How many responses there were of each status code.
        errors: The requests that raised: `index`, from 0, and `error`.
        peak: The most requests in flight at one time.
        upstream_peak: The most calls that the app had out at one time; None where the test does
            not use `upstream`.
        threads: What each thread pool had to do.
        lag: The lag of the loop; None where the blocking guard is off.
        notes: What of a `model` could not be decided.
    """

    n: int
    concurrency: int
    duration: float
    latencies: tuple[float, ...] = ()
    statuses: dict[int, int] = field(default_factory=dict)
    errors: tuple[LoadError, ...] = ()
    peak: int = 0
    upstream_peak: int | None = None
    threads: tuple[PoolReport, ...] = ()
    lag: LoopLag | None = None
    notes: tuple[str, ...] = ()

    def percentile(self, percent: float) -> float:
        """The latency that so many per cent of the requests did not exceed (nearest rank).

        Args:
            percent: From 0 to 100.

        Returns:
            Seconds.

        Raises:
            ValueError: If `percent` is outside of these.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percentile({percent!r}): it must be from 0 to 100")
        return percentile(sorted(self.latencies), percent)

    @property
    def p50(self) -> float:
        """The median latency."""
        return self.percentile(50)

    @property
    def p95(self) -> float:
        """95 % of the requests took no longer."""
        return self.percentile(95)

    @property
    def p99(self) -> float:
        """99 % of the requests took no longer."""
        return self.percentile(99)

    @property
    def slowest(self) -> float:
        """The longest latency."""
        return max(self.latencies, default=0.0)

    @property
    def queued(self) -> int:
        """How many calls had to wait for a thread of a pool."""
        return sum(pool.queued for pool in self.threads)

    def to_json(self) -> str:
        """The same as JSON text; exceptions as their names and messages.

        Returns:
            A JSON object, as text.
        """
        data: dict[str, Any] = asdict(self) | {
            "errors": [{"index": item.index, "error": str(item)} for item in self.errors],
            "p50": self.p50,
            "p95": self.p95,
            "p99": self.p99,
            "slowest": self.slowest,
        }
        return json.dumps(data)

    def __str__(self) -> str:
        statuses = ", ".join(f"{code} x {count}" for code, count in sorted(self.statuses.items()))
        rows = [
            ("requests", f"{self.n}, at most {self.peak} in flight, in {show(self.duration)}"),
            ("latency", self._latency()),
            ("statuses", statuses or "none"),
        ]
        if self.errors:
            rows.append(("errors", f"{len(self.errors)}; first: {self.errors[0]}"))
        rows += [("threads", str(pool)) for pool in self.threads]
        if self.upstream_peak is not None:
            rows.append(("upstream", f"at most {self.upstream_peak} calls out"))
        if self.lag is not None:
            rows.append(("loop lag", str(self.lag)))
        rows += [("note", note) for note in self.notes]
        return "\n".join(f"{name:<10}{value}" for name, value in rows)

    def _latency(self) -> str:
        named = (("p50", self.p50), ("p95", self.p95), ("p99", self.p99), ("max", self.slowest))
        return ", ".join(f"{name} {show(value)}" for name, value in named)
