"""What faults on connections cost: round trips through the interception, a latency of 30 s.

On a real Redis and a real PostgreSQL, started for it; each is left out where it is not installed.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import interleaved, table, versions
from pytest_asyncfastapi import VirtualClock
from pytest_asyncfastapi._connections.scope import Connections
from pytest_asyncfastapi._core.frames import UserCode
from pytest_asyncfastapi._faults import Faults
from pytest_asyncfastapi._upstream.call_log import CallRecorder
from tests import postgres, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHOUT, WITH = "without faults", "through the interception, no fault strikes"
RECORDED = "the same, each recorded with its line"


@contextmanager
def taking_part(*, recording: bool = False) -> Iterator[Faults]:
    """As in a test that has the fixture `faults`, or `upstream` too, which records."""
    faults, recorder = Faults(), CallRecorder(UserCode(Path.cwd()))
    connections = Connections(
        faults.connections,
        where=recorder.where,
        patience=lambda: 600.0,
        log=print,
        records=recorder if recording else None,
    )
    connections.activate()
    try:
        yield faults
    finally:
        connections.deactivate()


async def round_trips(one: Any) -> list[Any]:
    """1,000 of them, in turns."""
    kept: list[Any] = []

    def begin(*, recording: bool = False) -> None:
        kept.append(taking_part(recording=recording))
        kept[-1].__enter__().on("tcp://*").reset().after(10**9).optional()

    def end() -> None:
        kept.pop().__exit__(None, None, None)

    around = {WITH: (begin, end), RECORDED: (partial(begin, recording=True), end)}
    contenders = {WITHOUT: one, WITH: one, RECORDED: one}
    return await interleaved(contenders, rounds=15, per=1000, around=around)


async def a_latency(one: Any) -> float:
    """Real seconds that 30 s of latency take, over those of the same without it; the median."""
    clock = VirtualClock()
    clock.install()
    taken: list[float] = []
    try:
        with taking_part() as faults:
            faults.on("tcp://*").latency("30s").every(2)
            for _ in range(40):
                began, before = time.perf_counter(), clock.elapsed
                await one()
                if clock.elapsed - before == 30.0:
                    taken.append(time.perf_counter() - began)
    finally:
        clock.uninstall()
    return statistics.median(taken)


async def of_redis(port: int) -> tuple[list[Any], float]:
    """`GET` by redis.asyncio."""
    import redis.asyncio

    client = redis.asyncio.Redis(host="127.0.0.1", port=port, socket_timeout=None)
    await client.set("a", "1")
    try:
        return await round_trips(lambda: client.get("a")), await a_latency(lambda: client.get("a"))
    finally:
        await client.aclose()


async def of_postgresql(url: str) -> tuple[list[Any], float]:
    """`select 1` by asyncpg."""
    import asyncpg

    connection = await asyncpg.connect(url)

    def one() -> Any:
        return connection.fetchval("select 1")

    try:
        return await round_trips(one), await a_latency(one)
    finally:
        await connection.close()


def main() -> str:
    """The tables."""
    parts = []
    if redis_server.program():
        with redis_server.redis() as port:
            parts.append(_shown("redis.asyncio, `GET`", "redis", asyncio.run(of_redis(port))))
    if postgres.programs():
        with postgres.postgresql() as url:
            done = asyncio.run(of_postgresql(url))
            parts.append(_shown("asyncpg, `select 1`", "asyncpg", done))
    return "\n".join(parts)


def _shown(title: str, package: str, measured: tuple[list[Any], float]) -> str:
    results, wall = measured
    latency = f"A latency of 30 s takes {wall * 1000:.1f} ms of real time, all in all."
    return f"{table(title, results)}\n{versions(package)}. {latency}\n"


if __name__ == "__main__":
    print(main())
