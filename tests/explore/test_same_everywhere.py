"""One seed, one trace: with `def` endpoints, aiosqlite and faults, in any process and worker."""

from __future__ import annotations

import re

APP = """
import aiosqlite
from fastapi import Depends

@asynccontextmanager
async def lifespan(app):
    async with (
        aiosqlite.connect(":memory:") as app.state.database,
        httpx.AsyncClient(timeout=5) as app.state.http,
    ):
        await app.state.database.execute("create table account (money int)")
        await app.state.database.execute("insert into account values (8)")
        yield

app = FastAPI(lifespan=lifespan)

def checked():
    return True

@app.get("/rates")
async def rates():
    return (await app.state.http.get(URL)).json()

async def spend():
    database = app.state.database
    async with database.execute("select money from account") as rows:
        (money,) = await rows.fetchone()
    if money < 8:
        return False
    await database.execute("update account set money = money - 8")
    return True

@app.post("/buy")
async def buy():
    return await spend()

@app.post("/order")
async def order(_=Depends(checked)):
    for _ in range(6):
        await app.state.database.execute("select 1")
    return await spend()

@app.get("/now")
def now():
    return 1
"""
TESTS = """
import asyncio

@pytest.mark.schedules(60, policy="random")
async def test_buy(asgi_client, up, faults):
    faults.on("https://up.example/*").latency("uniform(1ms, 20ms)")
    calls = [asgi_client.post("/buy"), asgi_client.post("/order")]
    others = [asgi_client.get("/now"), asgi_client.get("/rates")]
    answers = [answer.json() for answer in await asyncio.gather(*calls, *others)]
    assert sorted(answers[:2]) == [False, True]

def test_other():
    pass
"""


def test_a_seed_has_one_trace_in_every_process_and_worker(project) -> None:
    """The hash that is shown, alone and under xdist."""
    pytester = project(APP, TESTS)
    shown = []
    for flags in ((), ("-n", "2")):
        told = pytester.runpytest_subprocess("-p", "no:cacheprovider", *flags).stdout.str()
        shows = r"schedules:(\w+-\d+)\s+\(number\s+(\d+).*?trace\s+([0-9a-f]{12})"
        found = re.search(shows, told, re.DOTALL)
        assert found, told
        shown.append(found.groups())
    assert len(set(shown)) == 1, shown
