"""Faults in methods that return something to await, as those of database and cache clients do."""

import asyncio
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, FastAPI

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._app.dependency_faults import DependencyFaultInjector
from pytest_asyncfastapi._faults import Faults

CALLED: list[str] = []


class Acquired:
    """As `asyncpg.Pool.acquire()`: to await, or to enter."""

    def __await__(self) -> Any:
        return self._get().__await__()

    async def _get(self) -> str:
        CALLED.append("acquire")
        return "connection"

    async def __aenter__(self) -> str:
        return await self._get()

    async def __aexit__(self, *error: object) -> None:
        CALLED.append("release")


class Client:
    """Methods of each form that asynchronous clients have."""

    def __init__(self) -> None:
        self.name = "client"

    def get(self, key: str) -> Any:
        return self.execute(key)

    async def execute(self, key: str) -> str:
        CALLED.append(key)
        return f"value of {key}"

    def find(self, key: str) -> Any:
        return asyncio.ensure_future(self.execute(key))

    def acquire(self) -> Acquired:
        return Acquired()

    async def scan(self) -> Any:
        for key in ("a", "b"):
            yield key

    def encode(self, key: str) -> bytes:
        return key.encode()


class Frozen:
    __slots__ = ("inner",)

    def __init__(self) -> None:
        self.inner = Client()

    def get(self, key: str) -> Any:
        return self.inner.execute(key)

    async def close(self) -> None:
        """It has asynchronous methods."""


class Plain:
    def get(self, key: str) -> str:
        CALLED.append(key)
        return f"plain {key}"


async def use_get(client: Any) -> Any:
    return await client.get("k")


async def use_find(client: Any) -> Any:
    return await asyncio.wait_for(client.find("k"), 10)


async def use_acquire(client: Any) -> Any:
    return await client.acquire()


async def use_acquire_with(client: Any) -> Any:
    async with client.acquire() as connection:
        return connection


async def use_scan(client: Any) -> Any:
    return "".join([key async for key in client.scan()])


async def use_gather(client: Any) -> Any:
    return (await asyncio.gather(client.get("k"), client.get("l")))[0]


USES = [
    ("get", use_get, "value of k"),
    ("find", use_find, "value of k"),
    ("acquire", use_acquire, "connection"),
    ("acquire", use_acquire_with, "connection"),
    ("scan", use_scan, "ab"),
    ("get", use_gather, "value of k"),
]


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sleep on the loop's own thread is an error."""

    def sleep(seconds: float) -> None:
        raise AssertionError(f"time.sleep({seconds}) on the event loop")

    monkeypatch.setattr("time.sleep", sleep)


def serve(kind: Any, use: Any, plan: Any) -> tuple[Any, list[str], Faults]:
    """What `use` of a dependency that gives a `kind` comes to, with the faults of `plan`."""
    CALLED.clear()
    app = FastAPI()
    outcome: list[Any] = []

    async def get_client() -> Any:
        return kind()

    @app.get("/")
    async def index(client: Annotated[Any, Depends(get_client)]) -> None:
        began = anyio.current_time()
        try:
            outcome.append(await use(client))
        except OSError as error:
            outcome.append(error)
        outcome.append(anyio.current_time() - began)

    faults = Faults(seed=1, test="here")
    gates = DependencyFaultInjector(app, faults.dependencies)
    faults.dependencies._on_change = gates.install
    plan(faults.dependency(get_client))

    async def run() -> None:
        async with open_app(app) as client:
            assert (await client.get("/")).status_code == 200

    try:
        anyio.run(run)
    finally:
        gates.restore()
    return outcome, list(CALLED), faults


@pytest.mark.parametrize(("method", "use", "value"), USES)
def test_a_delay_passes_when_the_result_is_awaited(no_sleep, method, use, value) -> None:
    outcome, _, faults = serve(Client, use, lambda d: d.on(method).latency(0.02))
    assert outcome[0] == value
    assert outcome[1] >= 0.02
    assert faults.dependencies.findings() == []


@pytest.mark.parametrize(("method", "use", "value"), USES)
def test_an_error_is_raised_when_the_result_is_awaited(method, use, value) -> None:
    outcome, called, faults = serve(Client, use, lambda d: d.on(method).raises(OSError("gone")))
    assert str(outcome[0]) == "gone"
    # What fails has not begun; a future is of work that has.
    assert called == (["k"] if method == "find" else [])
    assert faults.dependencies.findings() == []


def test_a_budget_of_the_app_ends_the_wait(no_sleep) -> None:
    async def use(client: Any) -> str:
        try:
            async with asyncio.timeout(0.01):
                return str(await client.get("k"))
        except TimeoutError:
            return "too slow"

    outcome, called, _ = serve(Client, use, lambda d: d.on("get").latency(5))
    assert outcome[0] == "too slow"
    assert called == []


def test_an_object_with_slots_has_its_faults_too(no_sleep) -> None:
    """asyncpg's pool takes no attribute; its class is put back afterwards."""
    made = Frozen()
    outcome, _, _ = serve(lambda: made, use_get, lambda d: d.on("get").latency(0.02))
    assert outcome[0] == "value of k"
    assert outcome[1] >= 0.02
    assert type(made) is Frozen


def test_a_plain_method_on_the_loops_thread_is_not_delayed(no_sleep) -> None:
    """To wait there would stop the loop; that it was not struck is reported, with the reason."""

    async def use(client: Any) -> str:
        return str(client.get("k"))

    outcome, _, faults = serve(Plain, use, lambda d: d.on("get").latency(5))
    assert outcome[0] == "plain k"
    (found,) = faults.dependencies.findings()
    assert found.kind == "unused-fault"
    assert "get() is a plain function that was called on the event loop's own thread" in (
        found.evidence
    )


def test_a_plain_method_of_an_asynchronous_client_is_not_delayed(no_sleep) -> None:
    async def use(client: Any) -> str:
        return str(client.encode("k"))

    outcome, _, faults = serve(Client, use, lambda d: d.on("encode").latency(5))
    assert outcome[0] == "b'k'"
    assert len(faults.dependencies.findings()) == 1


def test_a_plain_method_fails_before_it_begins() -> None:
    async def use(client: Any) -> str:
        return str(client.get("k"))

    outcome, called, _ = serve(Plain, use, lambda d: d.on("get").raises(OSError("gone")))
    assert str(outcome[0]) == "gone"
    assert called == []


def test_a_plain_method_in_a_thread_is_delayed() -> None:
    async def use(client: Any) -> str:
        return await anyio.to_thread.run_sync(client.get, "k")

    outcome, called, _ = serve(Plain, use, lambda d: d.on("get").latency(0.02))
    assert outcome[0] == "plain k"
    assert outcome[1] >= 0.02
    assert called == ["k"]
