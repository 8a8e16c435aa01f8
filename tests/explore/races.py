"""Five races that people plant in FastAPI endpoints, each with its sound variant.

None shows in the ordinary order of the event loop: there the request with the
shorter way is done before the other one touches anything. `RACES[name](sound)`
is a scenario: it makes its own app, and asserts what must hold. Worker threads
(`def` endpoints and dependencies) and aiosqlite take part.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext

import aiosqlite
from fastapi import Depends, FastAPI

from pytest_asyncfastapi import open_app


async def hops(number=3):
    """A way of some length, as an authentication has one."""
    for _ in range(number):
        await asyncio.sleep(0)


def checked_in_a_thread():
    """A `def` dependency: FastAPI runs it in the thread pool."""
    return "checked"


@asynccontextmanager
async def together(app, *paths):
    async with open_app(app) as client:
        responses = await asyncio.gather(*(client.post(path) for path in paths))
        yield [response.json() for response in responses]


def lost_update(sound):
    """Read, wait, write back: what another request wrote in between is lost."""

    async def scenario():
        app, stock, lock = FastAPI(), {"apples": 10}, asyncio.Lock()

        async def change(by):
            async with lock if sound else nullcontext():
                apples = stock["apples"]
                await hops(2)  # a call of its own: to a database, to another service
                stock["apples"] = apples + by

        @app.post("/deliver")
        async def deliver():
            await change(+5)

        @app.post("/take")
        async def take(_=Depends(checked_in_a_thread)):
            await hops()
            await change(-3)

        async with together(app, "/deliver", "/take"):
            assert stock["apples"] == 12

    return scenario


def double_spend(sound):
    """Enough money when it was looked at, not any more when it was taken (aiosqlite)."""
    schema = (
        "create table account (money int); insert into account values (8);"
        "create table log (step text)"
    )
    guarded = "update account set money = money - 8 where money >= 8"
    blind = "update account set money = money - 8"

    async def scenario():
        async with aiosqlite.connect(":memory:") as database:
            await database.executescript(schema)
            app = FastAPI()

            async def spend():
                async with database.execute("select money from account") as rows:
                    (money,) = await rows.fetchone()
                if money < 8:
                    return False
                cursor = await database.execute(guarded if sound else blind)
                return cursor.rowcount == 1

            @app.post("/buy")
            async def buy():
                return await spend()

            @app.post("/order")
            async def order(_=Depends(checked_in_a_thread)):
                for step in ("asked", "checked", "priced", "packed", "weighed", "sent"):
                    await database.execute("insert into log values (?)", (step,))
                return await spend()

            async with together(app, "/buy", "/order") as spent:
                assert sorted(spent) == [False, True]

    return scenario


def stampede(sound):
    """A cache that two requests find empty at the same time is filled twice."""

    async def scenario():
        app, cache, loads, lock = FastAPI(), {}, [], asyncio.Lock()

        async def rates():
            async with lock if sound else nullcontext():
                if "rates" not in cache:
                    loads.append("rates")
                    await hops(2)
                    cache["rates"] = [1, 2, 3]
            return cache["rates"]

        @app.post("/rates")
        async def read():
            return await rates()

        @app.post("/convert")
        async def convert(_=Depends(checked_in_a_thread)):
            await hops(2)
            return await rates()

        async with together(app, "/rates", "/convert") as answers:
            assert answers == [[1, 2, 3], [1, 2, 3]]
            assert loads == ["rates"]

    return scenario


def lock_order(sound):
    """One request takes two locks this way, the other one that way: a deadlock."""

    async def scenario():
        app, stock, orders = FastAPI(), asyncio.Lock(), asyncio.Lock()

        async def with_both(first, second):
            async with first:
                await hops(2)  # a call of its own: to a database, to another service
                async with second:
                    return True

        @app.post("/ship")
        async def ship():
            return await with_both(stock, orders)

        @app.post("/cancel")
        async def cancel(_=Depends(checked_in_a_thread)):
            await hops()
            return await (with_both(stock, orders) if sound else with_both(orders, stock))

        async with together(app, "/ship", "/cancel") as answers:
            assert answers == [True, True]

    return scenario


def event_order(sound):
    """Others are told that a report is ready before it is."""

    async def scenario():
        app, report, ready = FastAPI(), {}, asyncio.Event()

        @app.post("/make")
        async def make():
            if not sound:
                ready.set()
            await hops(2)  # a call of its own: to a database, to another service
            report["total"] = 42
            ready.set()

        @app.post("/read")
        async def read():
            await ready.wait()
            await hops()
            return report.get("total")

        async with together(app, "/make", "/read") as answers:
            assert answers[1] == 42

    return scenario


RACES = {
    "lost update": lost_update,
    "double spend": double_spend,
    "cache stampede": stampede,
    "lock order": lock_order,
    "event order": event_order,
}
