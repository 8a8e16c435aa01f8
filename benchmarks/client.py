"""CPU of `asgi_client` against `httpx.AsyncClient` on `httpx.ASGITransport`.

    python -m benchmarks.client [--rounds 15]

Both answer the same requests to the same app in the same loop, turn by turn;
a cell is the median over the rounds of (our CPU seconds / theirs), so that a
machine that slows down slows both. Exits with 1 where a bar is missed.
What streaming costs in memory: `benchmarks/client_memory.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse as FastAPIText
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pytest_asyncfastapi import open_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

SMALL, BIG = "Hello, world!", "x" * 1_000_000
BARS = {("FastAPI", "13 B"): 0.70, ("Starlette", "13 B"): 0.62}
EVERYWHERE = 0.80


async def _chunks(count: int, size: int) -> Any:
    for _ in range(count):
        yield b"x" * size


def fastapi_app() -> FastAPI:
    app = FastAPI()

    @app.get("/small", response_class=FastAPIText)
    async def small() -> str:
        return SMALL

    @app.get("/big", response_class=FastAPIText)
    async def big() -> str:
        return BIG

    @app.get("/stream")
    async def stream(count: int, size: int) -> StreamingResponse:
        return StreamingResponse(_chunks(count, size))

    return app


def starlette_app() -> Starlette:
    async def small(request: Request) -> PlainTextResponse:
        return PlainTextResponse(SMALL)

    async def big(request: Request) -> PlainTextResponse:
        return PlainTextResponse(BIG)

    async def stream(request: Request) -> StreamingResponse:
        query = request.query_params
        return StreamingResponse(_chunks(int(query["count"]), int(query["size"])))

    return Starlette(routes=[Route("/small", small), Route("/big", big), Route("/stream", stream)])


async def sequential(client: Any) -> None:
    for _ in range(100):
        await client.get("/small")


async def big(client: Any) -> None:
    for _ in range(15):
        await client.get("/big")


async def concurrent(client: Any) -> None:
    await asyncio.gather(*(client.get("/small") for _ in range(100)))


async def streaming(client: Any, count: int = 16, size: int = 65536) -> None:
    for _ in range(15):
        async with client.stream("GET", f"/stream?count={count}&size={size}") as response:
            async for _ in response.aiter_raw():
                pass


async def streaming_small(client: Any) -> None:
    for _ in range(100):
        async with client.stream("GET", "/small") as response:
            await response.aread()


async def tiny_chunks(client: Any) -> None:
    await streaming(client, 100, 1000)


CELLS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "13 B": sequential,
    "1 MB": big,
    "100 concurrent": concurrent,
    "13 B streamed": streaming_small,
    "1 MB in 16": streaming,
    "100 KB in 100": tiny_chunks,
}
# Half of what httpx's transport spends here is the app itself, which sends 100 times; both pay it.
TINY_CHUNKS = 1.0


def bar_of(app: str, cell: str) -> float:
    return TINY_CHUNKS if cell == "100 KB in 100" else BARS.get((app, cell), EVERYWHERE)


async def cpu(work: Callable[[Any], Awaitable[None]], client: Any) -> float:
    gc.collect()
    began = time.process_time()
    await work(client)
    return time.process_time() - began


async def ratios(app: Any, rounds: int) -> dict[str, float]:
    found: dict[str, float] = {}
    theirs = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")
    async with theirs, open_app(app) as ours:
        for name, work in CELLS.items():
            await work(ours)
            await work(theirs)
            shares = []
            for number in range(rounds):
                pair = [(ours, 0), (theirs, 1)] if number % 2 else [(theirs, 1), (ours, 0)]
                spent = [0.0, 0.0]
                for client, place in pair:
                    spent[place] = await cpu(work, client)
                shares.append(spent[0] / spent[1])
            found[name] = statistics.median(shares)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    missed = False
    print(f"CPU, asgi_client / httpx.ASGITransport, Python {sys.version.split()[0]}")
    print(f"{'':12}" + "".join(f"{name:>16}" for name in CELLS))
    for name, app in (("FastAPI", fastapi_app()), ("Starlette", starlette_app())):
        found = asyncio.run(ratios(app, options.rounds))
        row = ""
        for cell, share in found.items():
            bar = bar_of(name, cell)
            missed |= share > bar
            row += f"{share:.2f} {'<=' if share <= bar else '>'} {bar:.2f}".rjust(16)
        print(f"{name:12}{row}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
