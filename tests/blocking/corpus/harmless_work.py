"""Harmless: ordinary work that shares its names with what blocks."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import re
import sqlite3
import threading
import uuid
import zoneinfo
from unittest import mock

import anyio
import httpx

from .case import harmless


class Door:
    """Has methods that are called as those that block."""

    def connect(self):
        return self

    def recv(self, size):
        return b"x" * size

    read = write = sleep = execute = get = acquire = recv


@harmless
async def methods_of_the_same_names():
    door = Door().connect()
    for method in (door.recv, door.read, door.write, door.sleep, door.execute, door.acquire):
        assert method(1)


@harmless
async def a_dictionary_called_like_a_queue():
    assert {"get": 1}.get("get")
    assert max({"get": 1}.get(name, 0) for name in ("get", "recv"))


@harmless
async def mocks():
    made = mock.MagicMock()
    made.connect("x").execute("select 1").fetchall()
    made.sleep(1)
    assert made.sleep.called


@harmless
async def async_mocks():
    assert await mock.AsyncMock(return_value=1)() == 1


@harmless
async def a_patched_sleep():
    import time

    with mock.patch("time.sleep") as sleep:
        time.sleep(10)
    assert sleep.called


@harmless
async def lists_and_iterators():
    assert sorted([3, 1, 2], key=lambda number: -number) == [3, 2, 1]
    assert list(map(abs, [1])) + list(range(3)) + [*tuple("ab")]
    assert next(iter([1]))
    for _ in [1, 2]:
        pass


@harmless
async def a_little_arithmetic():
    assert sum(number * number for number in range(20_000))


@harmless
async def work_that_yields():
    for _ in range(20):
        sum(number * number for number in range(20_000))
        await anyio.sleep(0)


@harmless
async def a_short_hash():
    assert hashlib.sha256(b"x" * 1000).hexdigest()
    assert uuid.uuid4()


@harmless
async def patterns():
    assert re.match(r"\w+", "word")
    assert re.sub("a", "b", "banana")


@harmless
async def dates():
    assert datetime.datetime.now(datetime.UTC).isoformat()
    assert zoneinfo.ZoneInfo("Europe/Paris")


@harmless
async def classes():
    @dataclasses.dataclass
    class Point:
        x: int

    assert Point(1) == Point(1)
    assert functools.lru_cache(Point)(1)


@harmless
async def other_context_managers():
    class Quiet:
        def __enter__(self):
            return self

        def __exit__(self, *exc):
            return False

    with Quiet(), mock.patch.dict({}), threading.Lock():
        pass


@harmless
async def a_mocked_async_client():
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="x"))
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://upstream/")).text == "x"


@harmless
async def requests_that_are_only_built(mocked_client):
    assert mocked_client.build_request("GET", "http://upstream/").url
    assert httpx.URL("http://upstream/").host


@harmless
async def an_async_client(web):
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        assert (await client.get(web)).text == "hello"


@harmless(only="asyncio", needs="aiosqlite")
async def aiosqlite_query():
    import aiosqlite

    async with aiosqlite.connect(":memory:") as connection:
        async with connection.execute("select 1") as cursor:
            assert await cursor.fetchall()


@harmless(only="asyncio", needs="sqlalchemy.ext.asyncio")
async def async_sqlalchemy():
    import sqlalchemy
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    async with engine.begin() as connection:
        assert (await connection.execute(sqlalchemy.text("select 1"))).all()
    await engine.dispose()


@harmless(needs="sqlalchemy")
async def a_query_that_is_only_built():
    import sqlalchemy

    assert str(sqlalchemy.select(sqlalchemy.literal(1)).where(sqlalchemy.text("1 = 1")))


@harmless
async def sqlite_in_a_thread():
    def work():
        made = sqlite3.connect(":memory:")
        made.execute("select 1").fetchall()
        made.close()

    await anyio.to_thread.run_sync(work)
