"""Interleaved measurement: the contenders take turns, so that a busy machine hits all alike."""

from __future__ import annotations

import gc
import platform
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True)
class Result:
    """CPU seconds of one contender, a figure a round."""

    name: str
    rounds: list[float]
    per: int

    @property
    def microseconds(self) -> float:
        """CPU time of one operation, the median round."""
        return statistics.median(self.rounds) / self.per * 1e6


async def interleaved(
    contenders: dict[str, Callable[[], Awaitable[object]]],
    *,
    rounds: int = 15,
    per: int = 200,
    around: dict[str, tuple[Callable[[], object], Callable[[], object]]] | None = None,
) -> list[Result]:
    """Run each contender `per` times a round, in turns; the first round only warms up.

    What `around` says of a contender is done before and after its round, and not counted; a
    few operations that are not counted either follow it.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, operation in contenders.items():
            begin, end = (around or {}).get(name, (None, None))
            if begin is not None:
                begin()
                for _ in range(5):
                    await operation()
            gc.collect()
            began = time.process_time()
            for _ in range(per):
                await operation()
            if number:
                times[name].append(time.process_time() - began)
            if end is not None:
                end()
    return [Result(name, figures, per) for name, figures in times.items()]


def ratio(result: Result, base: Result) -> tuple[float, float, float]:
    """(low quartile, median, high quartile) of the ratios, round by round."""
    ratios = sorted(a / b for a, b in zip(result.rounds, base.rounds, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    return low, statistics.median(ratios), high


def table(title: str, results: list[Result], *, base: int = 0) -> str:
    """A Markdown table of the results against one of them."""
    lines = [f"### {title}", "", "| | CPU, us | ratio | quartiles |", "|---|---|---|---|"]
    for result in results:
        low, middle, high = ratio(result, results[base])
        lines.append(
            f"| {result.name} | {result.microseconds:.0f} | **{middle:.2f}** "
            f"| {low:.2f} - {high:.2f} |"
        )
    return "\n".join(lines) + "\n"


def versions(*packages: str) -> str:
    """What ran: Python and the packages that the figures are about."""
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"CPython {platform.python_version()}; {found}"
