"""`python -m benchmarks.explore [searches]`: seeds to find, milliseconds a seed, replays."""

from __future__ import annotations

import asyncio
import platform
import sys
import time
from importlib.metadata import version
from statistics import median, quantiles
from typing import Any

from pytest_asyncfastapi import ScheduleFailure, VirtualClock, explore_schedules
from tests.explore.races import RACES

MOST = 200  # seeds of one search
REPLAYS = 100


def explored(scenario: Any, **options: Any) -> Any:
    try:
        return asyncio.run(explore_schedules(scenario, **options))
    except ScheduleFailure as failure:
        return failure


def stock(scenario: Any, times: int) -> int:
    """How often an untouched loop finds it."""

    async def main() -> None:
        clock = VirtualClock()
        clock.install()
        try:
            async with asyncio.timeout(1000):
                await scenario()
        finally:
            clock.uninstall()

    found = 0
    for _ in range(times):
        try:
            asyncio.run(main())
        except (AssertionError, TimeoutError):
            found += 1
    return found


def searches(name: str, policy: str, number: int) -> str:
    tried = []
    for search in range(number):
        start = search * MOST
        found = explored(RACES[name](False), seeds=MOST, start=start, policy=policy, shrink=False)
        tried.append(found.tried if isinstance(found, ScheduleFailure) else MOST + 1)
    low, _, high = quantiles(tried, n=4)
    missed = sum(one > MOST for one in tried)
    return f"| {name} | {policy} | {median(tried):g} | {low:g} - {high:g} | {missed} |"


def price(name: str) -> str:
    """Milliseconds of CPU a seed, on the sound variant: best of five."""
    best = 1e9
    for _ in range(5):
        began = time.process_time()
        result = explored(RACES[name](True), seeds=60)
        best = min(best, (time.process_time() - began) / result.schedules)
    steps = result.steps / result.schedules
    return f"| {name} | {best * 1000:.1f} | {steps:.0f} | {result.distinct} of 61 |"


def replays(name: str) -> str:
    found = explored(RACES[name](False))
    assert isinstance(found, ScheduleFailure)
    same = 0
    for _ in range(REPLAYS):
        again = explored(RACES[name](False), replay=found.schedule)
        same += isinstance(again, ScheduleFailure) and again.trace == found.trace
    changes = found.shortest.count("@")
    return f"| {name} | {same} of {REPLAYS} | {changes} |"


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"CPython {platform.python_version()}", end="")
    for package in ("anyio", "fastapi", "httpx", "aiosqlite"):
        print(f", {package} {version(package)}", end="")
    print("\n\n| race | found by 20 runs of an untouched loop |\n|---|---|")
    for name in RACES:
        print(f"| {name} | {stock(RACES[name](False), 20)} |")
    print("\n| race | policy | median of seeds | quartiles | not found |\n|---|---|---|---|---|")
    for name in RACES:
        for policy in ("random", "pct"):
            print(searches(name, policy, number), flush=True)
    print("\n| sound variant | ms of CPU a seed | steps | different orders |\n|---|---|---|---|")
    for name in RACES:
        print(price(name), flush=True)
    print("\n| race | replays with the same trace | changes that are enough |\n|---|---|---|")
    for name in RACES:
        print(replays(name), flush=True)


if __name__ == "__main__":
    main()
