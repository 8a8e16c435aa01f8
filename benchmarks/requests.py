"""What a request costs: through our client, and under the guard, beside the peers."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

from pytest_asyncfastapi import BlockingGuard, open_app
from pytest_asyncfastapi.blocking import BlockingPolicy
from pytest_asyncfastapi.frames import UserCode

from .measure import Result, interleaved, table, versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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


async def compare(path: str) -> list[Result]:
    """One endpoint: httpx's transport, ours, ours under the guard."""
    transport = httpx.ASGITransport(app=app)
    async with (
        open_app(app) as ours,
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as theirs,
    ):

        def request(client: httpx.AsyncClient) -> Callable[[], Awaitable[object]]:
            if path == "/json":
                return lambda: client.get("/json")
            return lambda: client.post("/awaits", json=BODY)

        guard = BlockingGuard(BlockingPolicy(), UserCode(os.getcwd()))
        contenders = {
            "httpx.AsyncClient + httpx.ASGITransport": request(theirs),
            "asgi_client, guard off": request(ours),
            "asgi_client, guard on": _switched(request(ours), guard),
            "httpx's, guard on": _switched(request(theirs), guard),
        }
        contenders |= _peers(request(theirs))
        return await interleaved(contenders, per=100)


def _switched(operation: Callable[[], Awaitable[object]], guard: Any) -> Callable:
    # Started for each round of 100 requests; the start is part of the cost.
    count = 0

    async def run() -> None:
        nonlocal count
        if count % 100 == 0:
            guard.start()
        count += 1
        await operation()
        if count % 100 == 0:
            guard.stop()

    return run


def _peers(operation: Callable[[], Awaitable[object]]) -> dict[str, Callable]:
    found: dict[str, Callable] = {}
    try:
        import blockbuster

        guard = blockbuster.BlockBuster()

        found["httpx's, blockbuster"] = _switched(
            operation, SimpleNamespace(start=guard.activate, stop=guard.deactivate)
        )
    except ImportError:
        pass
    return found


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
    return "\n".join([f"{head}\n", *parts])
