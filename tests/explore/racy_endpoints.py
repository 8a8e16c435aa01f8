"""Ten races that people plant in FastAPI endpoints, each with its sound variant.

`ENDPOINTS[name](sound)` is an app with the requests that race, what can be observed after them
and what makes its state new. Nothing says what is right: no invariant, no expected answer.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiosqlite
import httpx
from fastapi import Body, FastAPI, HTTPException


@dataclass
class Case:
    """`requests` and `observe` are methods and paths, with a JSON body where there is one."""

    app: FastAPI
    requests: tuple[tuple[Any, ...], ...]
    observe: tuple[Any, ...]
    reset: Any


async def hop():
    """A call of its own: to a database, to another service."""
    await asyncio.sleep(0)


def guard(sound):
    """A lock in the sound variant."""
    lock = asyncio.Lock()
    return lambda: lock if sound else nullcontext()


def lost_update(sound):
    app, stock, alone = FastAPI(), {}, guard(sound)

    @app.post("/take/{count}")
    async def take(count: int):
        async with alone():
            apples = stock["apples"]
            await hop()
            stock["apples"] = apples - count
        return {"taken": count}

    @app.get("/stock")
    async def read():
        return stock

    return Case(
        app,
        (("POST", "/take/1"), ("POST", "/take/2")),
        ("GET", "/stock"),
        lambda: stock.update(apples=10),
    )


def check_then_act(sound):
    """A seat is free when it is looked at, and given twice."""
    app, seats, alone = FastAPI(), {}, guard(sound)

    @app.post("/seats/{seat}/{who}")
    async def book(seat: str, who: str):
        async with alone():
            if seat in seats:
                raise HTTPException(409)
            await hop()
            seats[seat] = who
        return {"seat": seat}

    @app.get("/seats")
    async def read():
        return seats

    return Case(
        app, (("POST", "/seats/1a/ann"), ("POST", "/seats/1a/bob")), ("GET", "/seats"), seats.clear
    )


def double_spend(sound):
    """In a database: the guarded statement is one step."""
    guarded = "update account set money = money - 8 where money >= 8"
    blind = "update account set money = money - 8"
    opened = {}

    @asynccontextmanager
    async def lifespan(app):
        async with aiosqlite.connect(":memory:") as opened["database"]:
            await opened["database"].execute("create table account (money int)")
            await opened["database"].execute("insert into account values (8)")
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/buy")
    async def buy():
        async with opened["database"].execute("select money from account") as rows:
            (money,) = await rows.fetchone()
        if money < 8:
            raise HTTPException(402)
        cursor = await opened["database"].execute(guarded if sound else blind)
        if cursor.rowcount != 1:
            raise HTTPException(402)
        return {"paid": 8}

    @app.get("/money")
    async def read():
        async with opened["database"].execute("select money from account") as rows:
            return await rows.fetchone()

    async def reset():
        await opened["database"].execute("update account set money = 8")

    return Case(app, (("POST", "/buy"), ("POST", "/buy")), ("GET", "/money"), reset)


def stale_cache(sound):
    """Who has read the old price puts it into the cache after it has been cleared."""
    app, prices, cache, alone = FastAPI(), {}, {}, guard(sound)

    @app.get("/price")
    async def read():
        async with alone():
            if "mug" not in cache:
                price = prices["mug"]
                await hop()
                cache["mug"] = price
        return {"price": cache["mug"]}

    @app.put("/price/{price}")
    async def change(price: int):
        async with alone():
            prices["mug"] = price
            await hop()
            cache.pop("mug", None)

    def reset():
        cache.clear()
        prices["mug"] = 5

    return Case(app, (("GET", "/price"), ("PUT", "/price/7")), ("GET", "/price"), reset)


def two_step_write(sound):
    """Between the debit and the credit the money is nowhere."""
    app, accounts, alone = FastAPI(), {}, guard(sound)

    @app.post("/transfer")
    async def transfer():
        async with alone():
            accounts["a"] -= 3
            await hop()
            accounts["b"] += 3

    @app.get("/total")
    async def total():
        async with alone():
            return {"total": sum(accounts.values())}

    return Case(
        app,
        (("POST", "/transfer"), ("GET", "/total")),
        ("GET", "/total"),
        lambda: accounts.update(a=5, b=5),
    )


def across_an_upstream_call(sound):
    """Read, ask the payment provider, write: refunded twice."""

    async def provider(request):
        await asyncio.sleep(0.2)
        return httpx.Response(201, json={"id": str(uuid4())})

    app, order, alone = FastAPI(), {}, guard(sound)
    transport = httpx.MockTransport(provider)

    @app.post("/refund")
    async def refund():
        async with alone():
            if order["status"] != "paid":
                return {"refunded": 0}
            async with httpx.AsyncClient(transport=transport, timeout=5) as http:
                answer = await http.post("https://pay.example/refunds")
            order["status"] = "refunded"
            order["refunds"] += 1
            return {"refunded": 5, "receipt": answer.json()["id"]}

    @app.get("/order")
    async def read():
        return order

    return Case(
        app,
        (("POST", "/refund"), ("POST", "/refund")),
        ("GET", "/order"),
        lambda: order.update(status="paid", refunds=0),
    )


def unique_name(sound):
    """Two users of one name, each with an id of its own."""
    app, users, alone = FastAPI(), [], guard(sound)

    @app.post("/users", status_code=201)
    async def register(name: str = Body(embed=True)):
        async with alone():
            if any(user["name"] == name for user in users):
                raise HTTPException(409)
            await hop()
            users.append({"id": str(uuid4()), "name": name})
        return users[-1]

    @app.get("/users")
    async def read():
        return users

    return Case(
        app,
        (("POST", "/users", {"name": "ann"}), ("POST", "/users", {"name": "ann"})),
        ("GET", "/users"),
        users.clear,
    )


def oversell(sound):
    """Three customers, two tickets."""
    app, sale, alone = FastAPI(), {}, guard(sound)

    @app.post("/tickets")
    async def buy():
        async with alone():
            if sale["left"] < 1:
                raise HTTPException(410)
            await hop()
            sale["left"] -= 1
        return {"sold": True}

    @app.get("/sale")
    async def read():
        return sale

    return Case(app, (("POST", "/tickets"),) * 3, ("GET", "/sale"), lambda: sale.update(left=2))


def token_reuse(sound):
    """A token that is good for one use is used twice."""
    app, tokens, alone = FastAPI(), {}, guard(sound)

    @app.post("/redeem")
    async def redeem():
        async with alone():
            owner = tokens.get("t-1")
            if owner is None:
                raise HTTPException(400)
            await hop()
            tokens.pop("t-1", None)
        return {"session": str(uuid4()), "owner": owner}

    @app.get("/tokens")
    async def read():
        return sorted(tokens)

    return Case(
        app,
        (("POST", "/redeem"), ("POST", "/redeem")),
        ("GET", "/tokens"),
        lambda: tokens.update({"t-1": "ann"}),
    )


class Counter:
    """As a module has one."""

    value = 0


def counter_in_a_module(sound):
    """Two customers get the same number."""
    app, alone = FastAPI(), guard(sound)

    @app.post("/numbers")
    async def draw():
        async with alone():
            number = Counter.value + 1
            await hop()
            Counter.value = number
        return {"number": number}

    @app.get("/numbers")
    async def read():
        return {"drawn": Counter.value}

    def reset():
        Counter.value = 0

    return Case(app, (("POST", "/numbers"), ("POST", "/numbers")), ("GET", "/numbers"), reset)


ENDPOINTS = {
    "lost update": lost_update,
    "check then act": check_then_act,
    "double spend": double_spend,
    "stale cache": stale_cache,
    "two-step write": two_step_write,
    "across an upstream call": across_an_upstream_call,
    "unique name": unique_name,
    "oversell": oversell,
    "token reuse": token_reuse,
    "counter in a module": counter_in_a_module,
}
