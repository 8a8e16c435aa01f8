"""What the three have in common: an upstream, asked within a budget."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

BUDGET = 3.0  # seconds


class TooSlow(Exception):
    """The weather station did not answer in time."""


@asynccontextmanager
async def open_station() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url="https://station.example", timeout=10.0) as http:
        yield http


async def temperature(station: httpx.AsyncClient, city: str) -> float:
    """In degrees Celsius. Raises `TooSlow` after `BUDGET`."""
    try:
        async with asyncio.timeout(BUDGET):
            response = await station.get(f"/cities/{city}")
    except TimeoutError as error:
        raise TooSlow from error
    return float(response.raise_for_status().json()["celsius"])


async def ticks() -> AsyncIterator[bytes]:
    """Server-sent events, one a minute, for as long as somebody listens."""
    number = 0
    while True:
        number += 1
        yield f"event: tick\ndata: {number}\n\n".encode()
        await asyncio.sleep(60)
