"""Fifteen bugs that people write: a plain test finds 13 of them, one marker each the other two.

The tests of the app are ordinary ones: all their assertions hold. The second app is the first
without its bugs, and has no finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.concurrency.conftest import Projects, Report

HEAD = """
import asyncio, subprocess, sys, time
from contextlib import asynccontextmanager

import anyio
import httpx
import requests
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import ForeignKey, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PAY = "https://pay.example/charges"
STOCK = "https://stock.example/items/"

class Base(DeclarativeBase):
    pass

class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)

engine = create_async_engine("sqlite+aiosqlite:///shop.db")
sessions = async_sessionmaker(engine, expire_on_commit=False)
SESSION = AsyncSession(engine)
stock = {"left": 10}
lock = asyncio.Lock()

@asynccontextmanager
async def lifespan(app):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        session.add_all(Item(id=number) for number in range(1, 21))
        await session.commit()
    stock["left"] = 10
    async with httpx.AsyncClient() as http:
        app.state.http = http
        yield
    await SESSION.close()
    await engine.dispose()

app = FastAPI(lifespan=lifespan)

async def get_session():
    async with sessions() as session:
        yield session

async def send_mail():
    await asyncio.sleep(3600)
"""

BUGGY = """
@app.get("/sleep")
async def sleep():
    time.sleep(0.1)  # 1 blocking sleep
    return {}

@app.get("/resize")
async def resize():
    subprocess.run([sys.executable, "-c", "pass"], check=True)  # 2 blocking subprocess
    return {}

@app.get("/sync-call")
async def sync_call():
    requests.get(STOCK + "1", timeout=5)  # 3 blocking request
    return {}

@app.get("/no-timeout")
async def no_timeout():
    async with httpx.AsyncClient(timeout=None) as http:
        await http.get(STOCK + "1")  # 4 no timeout
    return {}

@app.get("/prices")
async def prices():
    calls = [app.state.http.get(STOCK + str(number)) for number in range(60)]
    await asyncio.gather(*calls)  # 5 no limit
    return {}

@app.post("/orders")
async def orders():
    asyncio.create_task(send_mail())  # 6 leaked task
    return {}

@app.post("/pay")
async def pay():
    for _ in range(2):
        try:
            await app.state.http.post(PAY, json={"cents": 950})  # 7 unsafe retry
            return {"paid": True}
        except httpx.TimeoutException:
            continue
    raise HTTPException(502)

@app.get("/connection")
async def connection():
    connection = await engine.connect()  # 8 connection not given back
    await connection.execute(text("SELECT 1"))
    return {}

@app.get("/session")
async def session():
    session = sessions()
    return [item.id for item in await session.scalars(select(Item))]  # 9 session not closed

@app.get("/each")
async def each(session: AsyncSession = Depends(get_session)):
    found = []
    for number in range(1, 21):  # 10 N+1
        found.append(await session.scalar(select(Item.id).where(Item.id == number)))
    return found

@app.get("/shared")
async def shared():
    return [item.id for item in await SESSION.scalars(select(Item))]  # 11 transaction left open

@app.post("/notify")
async def notify():
    try:
        await app.state.http.post("https://mail.example/messages", json={})
    except Exception:  # 12 swallowed
        pass
    return {"sent": True}

@app.get("/report")
def report():
    time.sleep(0.02)  # 13 threads are exhausted
    return {}

@app.post("/buy")
async def buy():
    left = stock["left"]
    await anyio.sleep(0.01)
    stock["left"] = left - 1  # 14 lost update
    return {}

@app.post("/locked")
async def locked():
    await lock.acquire()  # 15 held forever
    await anyio.sleep(0.01)
    lock.release()
    return {}
"""

SOUND = """
@app.get("/sleep")
async def sleep():
    await asyncio.sleep(0.1)
    return {}

@app.get("/resize")
async def resize():
    await anyio.run_process([sys.executable, "-c", "pass"])
    return {}

@app.get("/sync-call")
def sync_call():
    requests.get(STOCK + "1", timeout=5)
    return {}

@app.get("/no-timeout")
async def no_timeout():
    await app.state.http.get(STOCK + "1", timeout=2)
    return {}

@app.get("/prices")
async def prices():
    limit = asyncio.Semaphore(10)

    async def price(number):
        async with limit:
            await app.state.http.get(STOCK + str(number))

    await asyncio.gather(*(price(number) for number in range(60)))
    return {}

@app.post("/orders")
async def orders():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(0))
    return {}

@app.post("/pay")
async def pay():
    for _ in range(2):
        try:
            headers = {"Idempotency-Key": "order-1"}
            await app.state.http.post(PAY, json={"cents": 950}, headers=headers)
            return {"paid": True}
        except httpx.TimeoutException:
            continue
    raise HTTPException(502)

@app.get("/connection")
async def connection():
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return {}

@app.get("/session")
async def session(session: AsyncSession = Depends(get_session)):
    return [item.id for item in await session.scalars(select(Item))]

@app.get("/each")
async def each(session: AsyncSession = Depends(get_session)):
    ids = list(range(1, 21))
    return list(await session.scalars(select(Item.id).where(Item.id.in_(ids))))

@app.get("/shared")
async def shared():
    async with sessions() as session:
        return [item.id for item in await session.scalars(select(Item))]

@app.post("/notify")
async def notify():
    try:
        answer = await app.state.http.post("https://mail.example/messages", json={})
        answer.raise_for_status()
    except httpx.HTTPError:
        return {"sent": False}
    return {"sent": True}

@app.get("/report")
async def report():
    await asyncio.sleep(0.02)
    return {}

@app.post("/buy")
async def buy():
    await anyio.sleep(0.01)
    stock["left"] -= 1
    return {}

@app.post("/locked")
async def locked():
    async with lock:
        await anyio.sleep(0.01)
    return {}
"""

PLAIN = """
import asyncio
import pytest
from app import stock

@pytest.fixture(autouse=True)
def world(upstream, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    upstream.allow_unused_routes = True
    upstream.get(url__startswith="https://stock.example/items/").respond(json={"left": 1})
    upstream.post("https://pay.example/charges").respond(201)
    upstream.post("https://mail.example/messages").respond(202)

@pytest.mark.parametrize("path", [
    "/sleep", "/resize", "/sync-call", "/no-timeout", "/prices", "/connection", "/session",
    "/each", "/shared",
])
async def test_get(asgi_client, path):
    assert (await asgi_client.get(path)).status_code == 200

async def test_orders(asgi_client):
    assert (await asgi_client.post("/orders")).status_code == 200

async def test_pay(asgi_client, faults):
    faults.on("https://pay.example/*").read_timeout().first(1)
    assert (await asgi_client.post("/pay")).json() == {"paid": True}

async def test_notify(asgi_client, faults):
    faults.on("https://mail.example/*").refused()
    assert (await asgi_client.post("/notify")).status_code == 200

async def test_report(asgi_client, load):
    report = await load(lambda: asgi_client.get("/report"), n=60, concurrency=60)
    assert report.statuses == {200: 60}

async def test_buy(asgi_client):
    before = stock["left"]
    await asgi_client.post("/buy")
    assert stock["left"] == before - 1

async def test_locked(asgi_client):
    await asgi_client.post("/locked")
"""

MARKED = """
import asyncio
import pytest
from app import stock

@pytest.fixture(autouse=True)
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

@pytest.mark.schedules(20)
async def test_two_buy(asgi_client):
    stock["left"] = 10
    await asyncio.gather(asgi_client.post("/buy"), asgi_client.post("/buy"))
    assert stock["left"] == 8

@pytest.mark.disconnect_sweep
async def test_locked(asgi_client):
    await asgi_client.post("/locked")
"""
QUIET = "filterwarnings =\n    ignore:The garbage collector is trying\n"


@pytest.fixture(scope="module")
def plain(projects: Projects) -> Report:
    return projects.run(ini=QUIET, app=HEAD + BUGGY, test_it=PLAIN)


@pytest.mark.parametrize(
    "bug",
    [
        "1 blocking sleep",
        "2 blocking subprocess",
        "3 blocking request",
        "4 no timeout",
        "5 no limit",
        "6 leaked task",
        "7 unsafe retry",
        "8 connection not given back",
        "9 session not closed",
        "10 N+1",
        "11 transaction left open",
        "12 swallowed",
    ],
)
def test_found_without_a_marker(plain: Report, bug: str) -> None:
    """At its line, with what to write instead."""
    place = plain.line("app.py", f"# {bug}")
    summary = plain.output.rpartition("= pytest-asyncfastapi =")[2]
    (found,) = [part for part in summary.split("\n      seen in") if f"      {place}  " in part]
    assert "fix: " in found


def test_exhausted_threads_are_found_without_a_marker(plain: Report) -> None:
    """They are all endpoints' own: no line, but the endpoint."""
    summary = plain.output.rpartition("= pytest-asyncfastapi =")[2]
    assert "GET /report" in summary


def test_nothing_else_is_found(plain: Report) -> None:
    """13 findings, one for each bug; the assertions of the tests hold."""
    assert plain.output.count("\n      seen in") == 13


def test_two_more_by_one_marker_each(projects: Projects) -> None:
    report = projects.run(ini=QUIET, app=HEAD + BUGGY, test_it=MARKED)
    report.outcome(failed=2)
    assert "assert 9 == 8" in report.output
    assert f"Lock taken at {report.line('app.py', '# 15 held forever')}" in " ".join(
        report.output.split()
    )


def test_the_app_without_its_bugs(projects: Projects) -> None:
    """No finding, no warning."""
    flags = (
        *("--asyncfastapi-checks=fail", "--asyncfastapi-leaks=fail", "--asyncfastapi-threads=fail"),
    )
    report = projects.run(*flags, app=HEAD + SOUND, test_it=PLAIN, test_marked=MARKED)
    report.outcome(passed=17)
    assert "= pytest-asyncfastapi =" not in report.output
