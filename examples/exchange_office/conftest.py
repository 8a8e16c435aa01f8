"""What both suites share: real servers, emptied for each test."""

import asyncio
import os

import pytest
import respx

REDIS, POSTGRESQL = "RATES_REDIS_URL", "RATES_POSTGRESQL_URL"


@pytest.fixture(autouse=True)
def servers() -> None:
    """A Redis and a PostgreSQL, which the environment names."""
    for name, example in ((REDIS, "redis://localhost"), (POSTGRESQL, "postgresql://user@host/db")):
        if not os.environ.get(name):
            pytest.skip(f"there is no server to test with: set {name}={example}")
    asyncio.run(empty())


async def empty() -> None:
    import asyncpg
    import redis.asyncio

    connection = await asyncpg.connect(os.environ[POSTGRESQL])
    await connection.execute("DROP TABLE IF EXISTS conversions")
    await connection.close()
    async with redis.asyncio.from_url(os.environ[REDIS]) as cache:
        await cache.flushdb()


@pytest.fixture
def bank(upstream: respx.Router) -> respx.Route:
    """A bank that answers."""
    return upstream.get("https://bank.example/rates/USD").respond(json={"rate": 1.25})
