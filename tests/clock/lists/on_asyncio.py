"""What must be right on asyncio only; run under its runners by test_the_list.py."""

import asyncio
import time

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

COUNT = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<20000) {}"
COUNT = COUNT.format("SELECT count(*) FROM c")


async def test_wait_for(clock):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(60), 1.5)
    assert clock.elapsed == 1.5


async def test_timeout(clock):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await asyncio.Event().wait()
    assert clock.elapsed == 2.0


async def test_run_in_executor(clock):
    async with asyncio.timeout(60):
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.1)
        await asyncio.to_thread(time.sleep, 0.1)
    assert clock.elapsed == 0.0


async def test_aiosqlite(clock):
    async with asyncio.timeout(5):
        async with aiosqlite.connect(":memory:") as database:
            for _ in range(10):
                async with database.execute(COUNT) as cursor:
                    assert await cursor.fetchall() == [(20000,)]
                await asyncio.sleep(0.1)
    assert clock.elapsed == 1.0
    assert clock.notes == []


@pytest.fixture
def engine():
    return create_async_engine("sqlite+aiosqlite:///:memory:")


async def test_sqlalchemy(engine, clock):
    async with asyncio.timeout(5):
        for _ in range(3):
            async with engine.begin() as connection:
                assert (await connection.execute(text(COUNT))).scalar() == 20000
            await asyncio.sleep(0.5)
    await engine.dispose()
    assert clock.elapsed == 1.5
    assert clock.notes == []


async def test_nested_timeouts_with_one_deadline(clock):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5) as outer:
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
    assert outer.expired()
    assert clock.elapsed == 5.0


async def test_equal_deadlines_fire_in_order(clock):
    fired = []
    for number in range(200):
        asyncio.get_running_loop().call_later(1, fired.append, number)
    await asyncio.sleep(1)
    await asyncio.sleep(0)
    assert fired == list(range(200))
