"""What a plain test reports of connections, sessions and statements; each with its sound twin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.concurrency.conftest import Projects, Report

APP = """
import asyncio, gc
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from sqlalchemy import ForeignKey, create_engine, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
)

class Base(DeclarativeBase):
    pass

class Shop(Base):
    __tablename__ = "shop"
    id: Mapped[int] = mapped_column(primary_key=True)
    items: Mapped[list["Item"]] = relationship(back_populates="shop")

class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    shop: Mapped[Shop] = relationship(back_populates="items")

engine = create_async_engine("sqlite+aiosqlite:///shop.db")
sync_engine = create_engine("sqlite:///shop.db")
sessions = async_sessionmaker(engine, expire_on_commit=False)
kept = []
SESSION = AsyncSession(engine)

@asynccontextmanager
async def lifespan(app):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        session.add_all(Shop(id=n, items=[Item(id=n)]) for n in range(1, 31))
        await session.commit()
    yield
    for each in kept:
        await each.close()
    kept.clear()
    await SESSION.close()
    await engine.dispose()
    sync_engine.dispose()

app = FastAPI(lifespan=lifespan)

async def get_session():
    async with sessions() as session:
        yield session

# Connections and sessions

@app.get("/connection-lost")
async def connection_lost():
    connection = await engine.connect()  # lost
    await connection.execute(text("SELECT 1"))
    return {}

@app.get("/sync-lost")
def sync_lost():
    connection = sync_engine.connect()  # lost in a thread
    connection.execute(text("SELECT 1"))
    return {}

@app.get("/session-lost")
async def session_lost():
    session = AsyncSession(engine)
    await session.execute(text("SELECT 1"))  # nobody closes it
    return {}

@app.get("/kept")
async def keep():
    session = AsyncSession(engine)
    await session.execute(text("SELECT 1"))  # kept until the shutdown
    kept.append(session)
    return {}

@app.get("/global")
async def of_all():
    await SESSION.execute(text("SELECT 1"))  # of all requests
    return {}

@app.get("/global-committed")
async def of_all_committed():
    await SESSION.execute(text("SELECT 1"))
    await SESSION.commit()
    return {}

@app.get("/closed")
async def closed():
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    session = AsyncSession(engine)
    await session.execute(text("SELECT 1"))
    await session.close()
    session = AsyncSession(engine)
    await session.execute(text("SELECT 1"))
    await session.commit()
    return {}

@app.get("/depends")
async def depends(session: AsyncSession = Depends(get_session)):
    await session.execute(text("SELECT 1"))
    return {}

@app.get("/sync-closed")
def sync_closed():
    with sync_engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    with Session(sync_engine) as session:
        session.execute(text("SELECT 1"))
    return {}

@app.get("/raises")
async def raises(session: AsyncSession = Depends(get_session)):
    await session.execute(text("SELECT 1"))
    raise RuntimeError("no")

@app.get("/slow")
async def slow(session: AsyncSession = Depends(get_session)):
    await session.execute(text("SELECT 1"))
    await asyncio.sleep(5)
    return {}

@app.get("/in-background")
async def in_background():
    async def work():
        async with sessions() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.sleep(0.05)
    app.state.task = asyncio.create_task(work())
    await asyncio.sleep(0.02)
    return {}

@app.get("/wait")
async def wait():
    await app.state.task
    return {}

# Statements

@app.get("/each")
async def each(session: AsyncSession = Depends(get_session)):
    for number in range(1, 13):  # one by one
        await session.execute(select(Item).where(Item.id == number))
    return {}

async def fetch(session, number):
    return await session.scalar(select(Item).where(Item.id == number))

@app.get("/helper")
async def helper(session: AsyncSession = Depends(get_session)):
    return len([await fetch(session, n) for n in range(1, 13)])  # in a comprehension

@app.get("/lazy-thread")
def lazy_thread():
    with Session(sync_engine) as session:
        for shop in session.scalars(select(Shop)):  # items, one by one
            assert shop.items
    return {}

@app.get("/inserts")
async def inserts(session: AsyncSession = Depends(get_session)):
    for number in range(100, 112):  # rows, one by one
        session.add(Item(id=number, shop_id=1))
        await session.flush()
    return {}

@app.get("/few")
async def few(session: AsyncSession = Depends(get_session)):
    for number in range(10):
        await session.execute(select(Item).where(Item.id == number))
    return {}

@app.get("/polls")
async def polls(session: AsyncSession = Depends(get_session)):
    for _ in range(20):
        await session.execute(select(Item).where(Item.id == 1))
    number = 0
    while number < 20:
        number += 1
        await session.execute(select(Item).where(Item.id == number))
    return {}

@app.get("/at-once")
async def at_once(session: AsyncSession = Depends(get_session)):
    await session.scalars(select(Shop).options(selectinload(Shop.items)))
    session.add_all(Item(id=number, shop_id=1) for number in range(100, 140))
    await session.commit()
    return {}

# Lazy loads

@app.get("/lazy")
async def lazy():
    with Session(sync_engine) as session:
        shop = session.get(Shop, 1)
        return len(shop.items)  # a lazy load

@app.get("/lazy-async")
async def lazy_async(session: AsyncSession = Depends(get_session)):
    shop = await session.get(Shop, 1)
    return len(shop.items)  # raises MissingGreenlet

@app.get("/not-lazy")
async def not_lazy(session: AsyncSession = Depends(get_session)):
    shop = await session.get(Shop, 1, options=[selectinload(Shop.items)])
    other = await session.get(Shop, 2)
    return len(shop.items) + await session.run_sync(lambda _: len(other.items))
"""
THERE = """
@pytest.fixture(autouse=True)
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
"""
QUIET = "filterwarnings =\n    ignore:The garbage collector is trying\n"


def _tests(*paths: str, before: str = "", after: str = "") -> str:
    bodies = [
        f"async def test_{path.strip('/').replace('-', '_')}(asgi_client):\n"
        f"    await asgi_client.get({path!r}){after}\n"
        for path in paths
    ]
    return "\n".join(["import asyncio, pytest", THERE, before, *bodies])


def _run(projects: Projects, *flags: str, test: str) -> Report:
    off = ("--asyncfastapi-blocking=off", "--asyncfastapi-leaks=off")
    return projects.run(*off, *flags, ini=QUIET, app=APP, test_it=test)


@pytest.fixture(scope="module")
def lost(projects: Projects) -> Report:
    paths = ("/connection-lost", "/sync-lost", "/session-lost", "/kept", "/global")
    return _run(projects, test=_tests(*paths))


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# lost", "connection not given back"),
        ("# lost in a thread", "connection not given back"),
        ("# nobody closes it", "session not closed"),
        ("# kept until the shutdown", "transaction left open"),
        ("# of all requests", "transaction left open"),
    ],
)
def test_not_given_back(lost: Report, source: str, title: str) -> None:
    """A warning at the line that took the connection."""
    lost.outcome(passed=5)
    place = lost.line("app.py", source)
    found = [part for part in lost.output.split("warn  ") if f"      {place}" in part]
    assert [part.partition(":")[0] for part in found] == [title], lost.output
    assert "seen in test_it.py::" in found[0]


def test_given_back(projects: Projects) -> None:
    """By a block, by a dependency, by a commit; by a task that goes on after its request."""
    paths = (
        *("/closed", "/depends", "/sync-closed", "/global-committed"),
        *("/in-background", "/at-once"),
    )
    more = """
async def test_the_task_ends_in_another_request(asgi_client):
    await asgi_client.get("/in-background")
    await asgi_client.get("/wait")

async def test_a_client_that_leaves(asgi_client, faults):
    faults.client.disconnect(after="10ms")
    with pytest.raises(Exception):
        await asgi_client.get("/slow")

async def test_raises(asgi_client):
    with pytest.raises(RuntimeError):
        await asgi_client.get("/raises")
"""
    report = _run(projects, "--asyncfastapi-checks=fail", test=_tests(*paths) + more)
    report.outcome(passed=9)
    assert "connection" not in report.output


RECIPES = """
from app import app, engine, get_session, sessions
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

@pytest.fixture
async def shared(asgi_client):
    async with sessions() as session:
        app.dependency_overrides[get_session] = lambda: session
        yield session
        app.dependency_overrides.clear()

async def test_the_session_of_a_fixture(shared, asgi_client):
    await asgi_client.get("/depends")

@pytest.fixture
async def rolled_back(asgi_client):
    async with engine.connect() as connection:
        transaction = await connection.begin()
        async with AsyncSession(
            connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        ) as session:
            app.dependency_overrides[get_session] = lambda: session
            yield session
        app.dependency_overrides.clear()
        await transaction.rollback()

async def test_rolled_back(rolled_back, asgi_client):
    await asgi_client.get("/at-once")

@pytest.fixture(scope="module")
def wide():
    return AsyncSession(engine)

async def test_a_session_of_the_module(wide, asgi_client):
    app.dependency_overrides[get_session] = lambda: wide
    await asgi_client.get("/depends")

async def test_it_goes_on(wide, asgi_client):
    await asgi_client.get("/depends")
    await wide.close()
    app.dependency_overrides.clear()

async def test_its_own_connection(asgi_client):
    connection = await engine.connect()
    await connection.execute(text("SELECT 1"))
    await connection.close()
"""


def test_sessions_of_the_test(projects: Projects) -> None:
    """They end with their fixtures, and not with a request."""
    report = _run(projects, "--asyncfastapi-checks=fail", test=_tests(before=RECIPES))
    report.outcome(passed=5)
    assert "connection" not in report.output
    assert "transaction" not in report.output


def test_a_connection_that_the_test_loses(projects: Projects) -> None:
    """Told at the line of the test."""
    body = """
from app import engine
from sqlalchemy import text

async def lose():
    connection = await engine.connect()  # mine
    await connection.execute(text("SELECT 1"))

async def test_loses(asgi_client):
    await lose()
"""
    report = _run(projects, test=_tests(before=body))
    report.outcome(passed=1)
    assert "connection not given back" in report.output
    assert report.line("test_it.py", "# mine") in report.output


@pytest.fixture(scope="module")
def repeated(projects: Projects) -> Report:
    paths = ("/each", "/helper", "/lazy-thread", "/inserts")
    return _run(projects, test=_tests(*paths))


@pytest.mark.parametrize(
    ("source", "times", "fix"),
    [
        ("# one by one", 12, "load them with one statement"),
        ("# in a comprehension", 12, "load them with one statement"),
        ("# items, one by one", 30, "selectinload"),
        ("# rows, one by one", 12, "send them at once"),
    ],
)
def test_the_same_statement_for_each(repeated: Report, source: str, times: int, fix: str) -> None:
    """A warning at the line of the loop."""
    repeated.outcome(passed=4)
    place = repeated.line("app.py", source)
    found = [part for part in repeated.output.split("warn  ") if f"      {place}" in part]
    assert len(found) == 1, repeated.output
    assert f"one statement for each item: {times} times the same in one request" in found[0]
    assert fix in found[0]


def test_statements_that_are_sent_once_or_wait(projects: Projects) -> None:
    """Few, all at once, or the same question again and again."""
    paths = ("/few", "/polls", "/at-once")
    more = """
from app import sessions, Item, select

async def test_its_own_loop(asgi_client):
    async with sessions() as session:
        for number in range(40):
            await session.execute(select(Item).where(Item.id == number))

@pytest.mark.asyncfastapi(equal_statements=12)
async def test_more_are_allowed(asgi_client):
    await asgi_client.get("/each")

async def test_twice_in_two_requests(asgi_client):
    await asgi_client.get("/few")
    await asgi_client.get("/few")
"""
    report = _run(projects, "--asyncfastapi-checks=fail", test=_tests(*paths) + more)
    report.outcome(passed=6)
    assert "statement" not in report.output


def test_a_lazy_load_on_the_loop(projects: Projects) -> None:
    """Of a sync session, and of an async one, where it raises."""
    more = """
async def test_lazy_async(asgi_client):
    with pytest.raises(Exception, match="greenlet"):
        await asgi_client.get("/lazy-async")
"""
    report = _run(projects, test=_tests("/lazy") + more)
    report.outcome(passed=2)
    title = "lazy load on the event loop: an attribute of Shop sends a statement"
    for source in ("# a lazy load", "# raises MissingGreenlet"):
        assert f"{title}\n      {report.line('app.py', source)}" in report.output


def test_loads_that_are_no_lazy_ones(projects: Projects) -> None:
    """With the query, in `run_sync()`, or in a thread."""
    report = _run(
        projects,
        "--asyncfastapi-checks=fail",
        "--asyncfastapi-check=repeated-statement=off",
        test=_tests("/not-lazy", "/lazy-thread"),
    )
    report.outcome(passed=2)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/session-lost", "connection"),
        ("/global", "transaction"),
        ("/each", "repeated-statement"),
        ("/lazy", "lazy-load"),
    ],
)
def test_each_can_fail_or_be_allowed(projects: Projects, path: str, kind: str) -> None:
    """By its own word, and by the rule that its finding names."""
    test = _tests(path)
    failed = _run(projects, f"--asyncfastapi-check={kind}=fail", test=test)
    assert f"asyncfastapi_allow_checks = {kind}@app" in failed.output
    allowed = _run(projects, f"--asyncfastapi-allow-checks={kind}@app", test=test)
    allowed.outcome(passed=1)
    assert "warn  " not in allowed.output


def test_without_sqlalchemy_nothing_is_imported(pytester: pytest.Pytester) -> None:
    """An app that does not use it does not pay for it."""
    pytester.makepyfile(app="from starlette.applications import Starlette\napp = Starlette()\n")
    pytester.makeini("[pytest]\nasyncfastapi_app = app:app\n")
    pytester.makepyfile(
        """
        import sys

        async def test_it(asgi_client, upstream):
            await asgi_client.get("/")
            assert "sqlalchemy" not in sys.modules
            assert not [name for name in sys.modules if "asyncfastapi._checks" in name]
        """
    )
    pytester.run(sys.executable, "-m", "pytest", "-p", "no:asyncio").assert_outcomes(passed=1)


QUERIES = """
from app import app, Item, select, sessions

async def test_counts(asgi_client, queries):
    queries.clear()
    await asgi_client.get("/few")
    assert queries.count == 10
    assert all("FROM item" in text for text in queries.statements)
    queries.assert_max(10)
    queries.clear()
    assert queries.count == 0

async def test_too_many(asgi_client, queries):
    queries.clear()
    await asgi_client.get("/few")
    queries.assert_max(5)
"""


def test_queries_are_counted(projects: Projects) -> None:
    """Each statement and the line that sent it stand in the assertion."""
    report = _run(projects, test=_tests(before=QUERIES))
    report.outcome(passed=1, failed=1)
    assert "10 statements were sent, 5 are allowed:" in report.output
    assert "10 x SELECT item.id, item.shop_id FROM item WHERE item.id = ?" in report.output
    few = report.line("app.py", "for number in range(10):")
    file, _, line = few.partition(":")
    assert f"{file}:{int(line) + 1}: await session.execute" in report.output


def test_queries_with_checks_off(projects: Projects) -> None:
    report = _run(projects, "--asyncfastapi-checks=off", test=_tests(before=QUERIES))
    report.outcome(passed=1, failed=1)
