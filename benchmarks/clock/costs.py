"""What the virtual loop costs beside the stock one: CPU time, interleaved, ratios."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from typing import TYPE_CHECKING

import anyio
import trio
from fastapi import FastAPI

from pytest_asyncfastapi import VirtualClock, open_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUNDS = 21

app = FastAPI()


@app.get("/")
async def root() -> dict[str, int]:
    return {"answer": 42}


async def long_sleeps(number: int = 10_000) -> float:
    """Real seconds of many sequential sleeps of 30 s."""
    clock = VirtualClock()
    clock.install()
    began = time.perf_counter()
    for _ in range(number):
        await anyio.sleep(30)
    took = time.perf_counter() - began
    assert clock.elapsed == 30.0 * number
    clock.uninstall()
    return took


async def bare_sleeps() -> None:
    for _ in range(20_000):
        await asyncio.sleep(0)


async def bare_checkpoints() -> None:
    for _ in range(5_000):
        await trio.lowlevel.checkpoint()


async def requests() -> None:
    async with open_app(app) as client:
        for _ in range(200):
            await client.get("/")


async def ratio(work: Callable[[], Awaitable[None]]) -> tuple[float, float, float]:
    """Quartiles of virtual CPU time to stock CPU time, a round each, in turns."""
    ratios = []
    for number in range(ROUNDS + 1):
        times = []
        for virtual in (False, True) if number % 2 else (True, False):
            clock = VirtualClock()
            if virtual:
                clock.install()
            gc.collect()
            began = time.process_time()
            await work()
            times.append((virtual, time.process_time() - began))
            clock.uninstall()
        by_kind = dict(times)
        if number:  # the first round only warms up
            ratios.append(by_kind[True] / by_kind[False])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return low, middle, high


def main() -> str:
    """The table of costs."""
    lines = ["| | bar | measured | quartiles |", "|---|---|---|---|"]
    for backend in ("asyncio", "trio"):
        took = min(anyio.run(long_sleeps, backend=backend) for _ in range(3))
        name = f"10,000 sequential sleeps of 30 s, {backend} (wall, best of 3)"
        lines.append(f"| {name} | < 2 s | {took:.2f} s | |")
    works = {
        "`asyncio.sleep(0)` only, virtual to stock": (bare_sleeps, "asyncio", "<= 1.25"),
        "trio checkpoints only, virtual to stock": (bare_checkpoints, "trio", ""),
        "ASGI requests, virtual to stock, asyncio": (requests, "asyncio", "<= 1.05"),
        "ASGI requests, virtual to stock, trio": (requests, "trio", ""),
    }
    for name, (work, backend, bar) in works.items():
        low, middle, high = anyio.run(ratio, work, backend=backend)
        lines.append(f"| {name} | {bar} | {middle:.2f} | {low:.2f} - {high:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(main())
