"""What a request costs: through our client, and under the guard, beside the peers."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

from pytest_asyncfastapi import BlockingGuard, open_app
from pytest_asyncfastapi._blocking import BlockingPolicy
from pytest_asyncfastapi._core.frames import UserCode

from .measure import Result, interleaved, table, versions

if TYPE_CHECKING:
    from collections.abc import Awaitable

Switch = tuple[Callable[[], object], Callable[[], object]]
app = FastAPI()


class Item(BaseModel):
    name: str
    prices: list[float]


@app.get("/json")
async def plain() -> dict[str, int]:
    return {"a": 1}


@app.post("/awaits")
async def awaits(item: Item) -> Item:
    for _ in range(20):
        await asyncio.sleep(0)
    return item


BODY = {"name": "mug", "prices": [9.5] * 20}


def ask(client: httpx.AsyncClient, path: str) -> Awaitable[object]:
    """One request to an endpoint of this app."""
    return client.get(path) if path == "/json" else client.post(path, json=BODY)


async def compare(path: str) -> list[Result]:
    """One endpoint: httpx's transport, ours, ours under the guard."""
    transport = httpx.ASGITransport(app=app)
    async with (
        open_app(app) as ours,
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as theirs,
    ):
        guard = BlockingGuard(BlockingPolicy(), UserCode(os.getcwd()))
        peers = _peers()
        contenders: dict[str, Callable[[], Awaitable[object]]] = {
            "httpx.AsyncClient + httpx.ASGITransport": partial(ask, theirs, path),
            "asgi_client, guard off": partial(ask, ours, path),
            "asgi_client, guard on": partial(ask, ours, path),
            "httpx's, guard on": partial(ask, theirs, path),
            **{f"httpx's, {name}": partial(ask, theirs, path) for name in peers},
        }
        around = {
            "asgi_client, guard on": (guard.start, guard.stop),
            "httpx's, guard on": (guard.start, guard.stop),
            **{f"httpx's, {name}": switch for name, switch in peers.items()},
        }
        return await interleaved(contenders, per=100, around=around)


async def on_and_off(path: str) -> str:
    """Each client under the guard beside itself without: only these two take turns, and often.

    With five contenders in a round, other processes come and go between the two that are compared.
    """
    transport = httpx.ASGITransport(app=app)
    tables: list[str] = []
    async with (
        open_app(app) as ours,
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as theirs,
    ):
        for name, client in {"asgi_client": ours, "httpx's": theirs}.items():
            guard = BlockingGuard(BlockingPolicy(), UserCode(os.getcwd()))
            results = await interleaved(
                {"guard off": partial(ask, client, path), "guard on": partial(ask, client, path)},
                rounds=60,
                per=100,
                around={"guard on": (guard.start, guard.stop)},
            )
            tables.append(table(f"`{path}` by {name}, 60 rounds of 100 in turns", results))
    return "\n".join(tables)


def _peers() -> dict[str, Switch]:
    found: dict[str, Switch] = {}
    try:
        import blockbuster
    except ImportError:
        pass
    else:
        guard = blockbuster.BlockBuster()
        found["blockbuster"] = (guard.activate, guard.deactivate)
    return found


async def beside_aiocop(path: str) -> list[Result]:
    """The same for aiocop, which stays in the process: so after all others, and not in turns."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        request = partial(ask, client, path)
        base = await interleaved({"httpx.AsyncClient + httpx.ASGITransport": request}, per=100)
        import aiocop

        aiocop.patch_audit_functions()
        aiocop.start_blocking_io_detection(trace_depth=20)
        aiocop.detect_slow_tasks(threshold_ms=50)
        aiocop.activate()
        return base + await interleaved({"httpx's, aiocop (not in turns)": request}, per=100)


async def per_test() -> str:
    """What a guard costs a test once: its start, the calls that are heard for the first time."""
    transport = httpx.ASGITransport(app=app)
    guard = BlockingGuard(BlockingPolicy(), UserCode(os.getcwd()))
    plain: list[float] = []
    first: list[float] = []
    switching: list[float] = []
    clock = time.process_time
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for number in range(40):
            began = clock()
            await client.post("/awaits", json=BODY)
            asked = clock()
            guard.start()
            started = clock()
            await client.post("/awaits", json=BODY)
            ended = clock()
            guard.stop()
            if number > 4:
                plain.append(asked - began)
                first.append(ended - started)
                switching.append(clock() - ended + started - asked)
    more = statistics.median(first) - statistics.median(plain)
    return (
        f"Once for each test: {statistics.median(switching) * 1e3:.1f} ms to start and stop a "
        f"guard, and {more * 1e3:.1f} ms in its first request.\n"
    )


def idle(seconds: float = 3.0) -> str:
    """What the watchdog costs while nothing happens."""

    async def measure() -> float:
        with BlockingGuard(BlockingPolicy(), UserCode(os.getcwd())):
            began = time.process_time()
            await asyncio.sleep(seconds)
            return (time.process_time() - began) / seconds

    return f"The watchdog of an idle loop: {asyncio.run(measure()):.2%} of a core.\n"


def main() -> str:
    """The tables of this file."""
    parts = [
        table("A FastAPI request: `GET`, 7 bytes of JSON", asyncio.run(compare("/json"))),
        table(
            "A FastAPI request: `POST`, pydantic validation, 20 awaits",
            asyncio.run(compare("/awaits")),
        ),
    ]
    head = versions("httpx", "fastapi", "starlette", "pydantic")
    parts += [asyncio.run(on_and_off(path)) for path in ("/json", "/awaits")]
    parts += [asyncio.run(per_test()), idle()]
    if find_spec("blockbuster") and find_spec("aiocop"):
        head += "; " + versions("blockbuster", "aiocop").partition("; ")[2]
        parts.append(table("The `POST` beside aiocop", asyncio.run(beside_aiocop("/awaits"))))
    return "\n".join([f"{head}\n", *parts])
