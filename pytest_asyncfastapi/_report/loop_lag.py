"""The tests in which the event loop was held longest: `--asyncfastapi-loop-lag=N`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.units import show

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def write_summary(
    terminal: TerminalReporter, lags: list[tuple[str, dict[str, Any]]], count: int
) -> None:
    """Write the slowest `count` tests, one line each: the longest step, and the 99th percentile."""
    terminal.section(f"slowest {count} loop lags", sep="=")
    if not lags:
        terminal.write_line("none measured: no test ran under the blocking guard")
    for name, lag in sorted(lags, key=lambda item: -item[1]["longest"])[:count]:
        longest, p99 = show(lag["longest"]), show(lag["p99"])
        terminal.write_line(f"max {longest:<8} p99 {p99:<8} {lag['steps']:>6} steps  {name}")
