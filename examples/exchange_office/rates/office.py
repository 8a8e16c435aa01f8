"""What the app is connected to: the bank, a cache, a database. Each with a timeout."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

BANK = "https://bank.example"
CacheFailed = redis.RedisError
DatabaseFailed = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
TABLE = """
CREATE TABLE IF NOT EXISTS conversions (
    id serial PRIMARY KEY, currency text NOT NULL, cents int NOT NULL, rate float NOT NULL
)
"""


class NoRate(Exception):
    """The bank does not say what a currency is worth."""


@dataclass
class Office:
    bank: aiohttp.ClientSession
    cache: Any
    pool: Any

    async def rate(self, currency: str) -> float:
        """From the cache, or from the bank; a cache that fails is as good as none."""
        try:
            kept = await self.cache.get(f"rate:{currency}")
        except CacheFailed:
            kept = None
        if kept is not None:
            return float(kept)
        rate = await self.ask(currency)
        with suppress(CacheFailed):  # the next one asks the bank
            await self.cache.set(f"rate:{currency}", rate, ex=60)
        return rate

    async def ask(self, currency: str) -> float:
        try:
            async with self.bank.get(f"{BANK}/rates/{currency}") as response:
                response.raise_for_status()
                return float((await response.json())["rate"])
        except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, KeyError) as error:
            raise NoRate(currency) from error


@asynccontextmanager
async def open_office() -> AsyncIterator[Office]:
    cache = redis.asyncio.from_url(
        os.environ["RATES_REDIS_URL"],
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
    )
    pool = asyncpg.create_pool(
        os.environ["RATES_POSTGRESQL_URL"], min_size=1, max_size=4, command_timeout=5, timeout=5
    )
    timeout = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(timeout=timeout) as bank, pool:
        await pool.execute(TABLE)
        try:
            yield Office(bank, cache, pool)
        finally:
            await cache.aclose()
