"""`python -m benchmarks orders`: every order with at most two changes, and 2,000 seeds beside it.

What is said of all orders must hold for drawn ones: a race that seeds find where "no order
fails" was said is above the bar, and so are more than 4 s of CPU for 1,000 orders of the
small app. Each racy variant is found by its smallest order; ten racy endpoints are found
without an invariant, and their sound variants are clean.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from pytest_asyncfastapi import (
    ScheduleFailure,
    explore_schedules,
    explore_together,
    open_app,
)
from tests.explore.races import RACES
from tests.explore.racy_endpoints import ENDPOINTS

from ..measure import versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Scenario = Callable[[], Awaitable[Any]]

SEEDS = 2_000
BAR = 4.0  # seconds of CPU for 1,000 orders of the small app
CHANGES = 2


def app_of_two() -> tuple[FastAPI, dict[str, int]]:
    """The small app: two endpoints that change one number, soundly."""
    app, stock = FastAPI(), {"apples": 10}

    @app.post("/sell")
    async def sell() -> None:
        await asyncio.sleep(0)
        stock["apples"] -= 1

    @app.post("/order")
    async def order() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        stock["apples"] -= 1

    return app, stock


async def small(**options: Any) -> Any:
    """One app for all orders, its state made new by the scenario."""
    app, stock = app_of_two()
    async with open_app(app) as client:

        async def scenario() -> None:
            stock["apples"] = 10
            await asyncio.gather(client.post("/sell"), client.post("/order"))
            assert stock["apples"] == 8

        return await explore_schedules(scenario, **options)


async def explored(scenario: Scenario, **options: Any) -> Any:
    """What came of it, the failure too."""
    try:
        return await explore_schedules(scenario, **options)
    except ScheduleFailure as failure:
        return failure


def timed(make: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    """What it came to, and its seconds of CPU."""

    async def main() -> Any:
        return await make()

    began = time.process_time()
    result = asyncio.run(main())
    return result, time.process_time() - began


def row(name: str, make: Callable[..., Awaitable[Any]], missed: list[str]) -> tuple[str, float]:
    """One sound app: its orders, what 1,000 cost, and what drawn ones find."""
    result, spent = timed(lambda: make(seeds="all", changes=CHANGES))
    drawn, _ = timed(lambda: make(seeds=SEEDS))
    each = spent / result.schedules * 1000
    found = isinstance(drawn, ScheduleFailure)
    if found == result.proven:
        missed.append(name)
    said = "no order fails" if result.proven else str(result)
    seeds = f"found by {drawn.schedule}" if found else f"none of {drawn.schedules:,} fails"
    return f"| {name} | {result.schedules:,} | **{each:.1f}** | {said} | {seeds} |", each


async def endpoint(name: str, sound: bool) -> Any:
    """What `explore_together()` came to for one of the tests' endpoints."""
    case = ENDPOINTS[name](sound)
    async with open_app(case.app) as client:

        def sent(method: str, path: str, body: Any = None) -> Callable[[], Awaitable[Any]]:
            return lambda: client.request(method, path, json=body)

        requests = [sent(*request) for request in case.requests]
        try:
            observe = sent(*case.observe)
            return await explore_together(
                *requests, observe=observe, reset=case.reset, changes=CHANGES
            )
        except ScheduleFailure as failure:
            return failure


def beside(name: str, missed: list[str]) -> str:
    """One endpoint, and its sound variant."""
    racy, _ = timed(lambda: endpoint(name, False))
    sound, spent = timed(lambda: endpoint(name, True))
    if not isinstance(racy, ScheduleFailure) or not getattr(sound, "proven", False):
        missed.append(name)
        return f"| {name} | {racy} | {sound} | {spent:.1f} |"
    return f"| {name} | {racy.tried + 1} | {sound.schedules:,} | {spent:.1f} |"


def main() -> int:
    """Print the tables; 1 where a bar is missed."""
    missed: list[str] = []
    print(versions("anyio", "fastapi", "httpx", "aiosqlite"))
    title = f"### Every order with at most {CHANGES} changes"
    print(f"\n{title}\n\n| | orders | CPU of 1,000, s | said | seeds beside it |")
    print("|---|---|---|---|---|")
    text, each = row("the small app, made once", small, missed)
    print(text, flush=True)
    for name in RACES:

        def make(name: str = name, **options: Any) -> Any:
            return explored(RACES[name](True), **options)

        text, _ = row(f"{name}, sound, made anew in each order", make, missed)
        print(text, flush=True)
    print("\n### The planted races\n\n| race | orders until it is found | changes |\n|---|---|---|")
    for name in RACES:
        failure = asyncio.run(explored(RACES[name](False), seeds="all", changes=CHANGES))
        if not isinstance(failure, ScheduleFailure):
            missed.append(name)
            continue
        print(f"| {name} | {failure.tried} | {failure.schedule.count('@')} |")
    print("\n### Racy endpoints without an invariant (`explore_together()`)\n")
    print("| | racy: orders until it is found | sound: orders, none fails | CPU, s |")
    print("|---|---|---|---|")
    for name in ENDPOINTS:
        print(beside(name, missed), flush=True)
    if each > BAR:
        missed.append(f"more than {BAR:g} s")
    if missed:
        print(f"\nMissed: {', '.join(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
