"""Faults in the methods of real clients: redis.asyncio, asyncpg, aiobotocore, pymongo.

No server answers: what each method would wait for is either taken in its place, or never begun.
"""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from pytest_asyncfastapi import VirtualClock, open_app
from pytest_asyncfastapi._app.dependency_faults import DependencyFaultInjector
from pytest_asyncfastapi._faults import Faults

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sleep on the loop's own thread is an error."""

    def sleep(seconds: float) -> None:
        raise AssertionError(f"time.sleep({seconds}) on the event loop")

    monkeypatch.setattr("time.sleep", sleep)


async def serve(client: Any, use: Any, plan: Any) -> tuple[Any, float]:
    """What `use(client)` in an endpoint comes to under these faults, and virtual seconds."""
    app, outcome = FastAPI(), []

    def get_client() -> Any:
        return client

    @app.get("/")
    async def read(given: Annotated[Any, Depends(get_client)]) -> None:
        try:
            outcome.append(await use(given))
        except Exception as error:
            outcome.append(error)

    faults = Faults(1, "test")
    plan(faults.dependency(get_client))
    gates, clock = DependencyFaultInjector(app, faults.dependencies), VirtualClock()
    gates.install()
    clock.install()
    try:
        async with open_app(app) as http:
            began = clock.elapsed
            await http.get("/")
            return outcome[0], clock.elapsed - began
    finally:
        clock.uninstall()
        gates.restore()


def slow_and_then_fails(method: str) -> Any:
    """5 s, and then a TimeoutError."""

    def plan(dependency: Any) -> None:
        dependency.on(method).latency("5s")
        dependency.on(method).raises(TimeoutError)

    return plan


async def test_redis(no_sleep: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """`get()` is a plain function that returns an awaitable."""
    redis = pytest.importorskip("redis.asyncio")
    client = redis.Redis(host="cache")

    async def answer(*command: Any, **options: Any) -> str:
        return " ".join(command)

    monkeypatch.setattr(client, "execute_command", answer)
    outcome, elapsed = await serve(
        client, lambda given: given.get("key"), lambda d: d.on("get").latency("5s")
    )
    assert outcome == "GET key"
    assert elapsed == pytest.approx(5)
    error, _ = await serve(
        client, lambda given: given.get("key"), lambda d: d.on("get").raises(redis.ConnectionError)
    )
    assert isinstance(error, redis.ConnectionError)
    await client.aclose()


async def test_asyncpg(no_sleep: None) -> None:
    """`acquire()` returns what is awaited or entered; a pool takes no attributes."""
    asyncpg = pytest.importorskip("asyncpg")
    pool = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0)

    async def enter(given: Any) -> str:
        async with given.acquire() as connection:
            return str(connection)

    error, elapsed = await serve(pool, enter, slow_and_then_fails("acquire"))
    assert isinstance(error, TimeoutError)
    assert elapsed == pytest.approx(5)
    assert type(pool) is asyncpg.Pool


async def test_aiobotocore(no_sleep: None) -> None:
    """The methods of a client are made when it is."""
    session = pytest.importorskip("aiobotocore.session")
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    made = session.get_session().create_client("s3", region_name="eu-west-1", **keys)
    async with made as client:
        error, elapsed = await serve(
            client,
            lambda given: given.get_object(Bucket="b", Key="k"),
            slow_and_then_fails("get_object"),
        )
    assert isinstance(error, TimeoutError)
    assert elapsed == pytest.approx(5)


async def test_pymongo(no_sleep: None) -> None:
    """`find_one()` of a collection."""
    pymongo = pytest.importorskip("pymongo")
    client = pymongo.AsyncMongoClient("mongodb://127.0.0.1:1", connect=False)
    error, elapsed = await serve(
        client["shop"]["orders"],
        lambda given: given.find_one({"_id": 1}),
        slow_and_then_fails("find_one"),
    )
    assert isinstance(error, TimeoutError)
    assert elapsed == pytest.approx(5)
    await client.close()
