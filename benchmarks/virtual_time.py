"""What virtual time costs in real time."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

import httpx
from fastapi import FastAPI, HTTPException

from pytest_asyncfastapi import Faults, VirtualClock, open_app
from pytest_asyncfastapi._core.frames import UserCode
from pytest_asyncfastapi._upstream.scope import UpstreamScope

app = FastAPI()


@app.get("/bounded")
async def bounded() -> None:
    async with httpx.AsyncClient(timeout=None) as client:
        try:
            await asyncio.wait_for(client.get("https://slow.example/"), 2)
        except TimeoutError:
            raise HTTPException(504) from None


async def one_504() -> float:
    """Real seconds until a 30 s upstream under `wait_for(..., 2)` is answered with 504."""
    faults = Faults()
    scope = UpstreamScope(user_code=UserCode("."), faults=faults)
    scope.activate()
    scope.open_router().get("https://slow.example/").respond(200)
    faults.on("*").latency("30s")
    clock = VirtualClock()
    clock.install()
    try:
        async with open_app(app) as client:
            began = time.perf_counter()
            response = await client.get("/bounded")
            took = time.perf_counter() - began
            assert response.status_code == 504
            assert clock.elapsed == 2.0
            return took
    finally:
        clock.uninstall()
        scope.deactivate()


async def answered_after_30s() -> float:
    """Real seconds until an upstream that takes 30 s has answered."""
    faults = Faults()
    scope = UpstreamScope(user_code=UserCode("."), faults=faults)
    scope.activate()
    scope.open_router().get("https://slow.example/").respond(200)
    faults.on("*").latency("30s")
    clock = VirtualClock()
    clock.install()
    try:
        async with httpx.AsyncClient(timeout=60) as client:
            began = time.perf_counter()
            response = await client.get("https://slow.example/")
            took = time.perf_counter() - began
            assert response.status_code == 200
            assert clock.elapsed == 30.0
            return took
    finally:
        clock.uninstall()
        scope.deactivate()


async def many_calls(number: int, clients: int) -> tuple[float, float]:
    """(CPU seconds, virtual seconds) of so many concurrent calls with random latency.

    Spread over so many clients: httpcore's own bookkeeping is quadratic in the
    calls of one pool.
    """
    faults = Faults(seed=1)
    scope = UpstreamScope(user_code=UserCode("."), faults=faults)
    scope.activate()
    scope.open_router().get("https://slow.example/").respond(200)
    faults.on("*").latency("exponential(2s)")
    clock = VirtualClock()
    clock.install()
    try:
        async with AsyncExitStack() as stack:
            pool = [
                await stack.enter_async_context(httpx.AsyncClient(timeout=None))
                for _ in range(clients)
            ]
            began = time.process_time()
            calls = [pool[n % clients].get("https://slow.example/") for n in range(number)]
            assert {r.status_code for r in await asyncio.gather(*calls)} == {200}
            return time.process_time() - began, clock.elapsed
    finally:
        clock.uninstall()
        scope.deactivate()


async def many_sleeps(number: int) -> float:
    """Real seconds of many virtual sleeps of 30 s."""
    clock = VirtualClock()
    clock.install()
    began = time.perf_counter()
    for _ in range(number):
        await asyncio.sleep(30)
    took = time.perf_counter() - began
    clock.uninstall()
    return took


def main() -> str:
    """The table of this file."""
    answers = [asyncio.run(one_504()) for _ in range(9)][1:]
    latencies = [asyncio.run(answered_after_30s()) for _ in range(9)][1:]
    cpu, virtual = asyncio.run(many_calls(1000, 10))
    sleeps = asyncio.run(many_sleeps(10_000))
    return (
        "### Virtual time, in real time\n\n"
        "| | virtual | real |\n|---|---|---|\n"
        f"| 504 after `wait_for(..., 2)` around a 30 s upstream (median) | 2.0 s "
        f"| {statistics.median(answers) * 1000:.0f} ms |\n"
        f"| 200 from an upstream that takes 30 s (median) | 30.0 s "
        f"| {statistics.median(latencies) * 1000:.1f} ms |\n"
        f"| 1,000 concurrent upstream calls of 10 clients, latency `exponential(2s)` "
        f"| {virtual:.1f} s | {cpu:.2f} s of CPU |\n"
        f"| 10,000 sequential sleeps of 30 s | 83 h | {sleeps:.2f} s |\n"
    )
