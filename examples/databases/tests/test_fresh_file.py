"""A fresh file for each test: the lifespan opens whatever the environment names."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from fastapi import FastAPI
from pytest_asyncfastapi import AsgiClient, Faults, VirtualClock

# What each library calls a query.
QUERIES = {"on_sqlalchemy": "scalars", "on_tortoise": "execute_query", "on_databases": "fetch_all"}


@pytest.fixture(params=list(QUERIES))
def notes(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(f"notes.{request.param}")


@pytest.fixture
def asgi_app(notes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setenv("NOTES_DATABASE_URL", f"sqlite:///{tmp_path / 'notes.db'}")
    app: FastAPI = notes.app
    return app


@pytest.mark.parametrize("text", ["milk", "bread"])
async def test_a_test_sees_only_its_own_notes(asgi_client: AsgiClient, text: str) -> None:
    assert (await asgi_client.post("/notes", json={"text": text})).status_code == 201

    assert (await asgi_client.get("/notes")).json() == [text]


async def test_a_database_that_is_away(
    asgi_client: AsgiClient, notes: ModuleType, faults: Faults
) -> None:
    faults.dependency(notes.get_session).raises(ConnectionRefusedError()).first(1)

    assert (await asgi_client.get("/notes")).status_code == 503
    assert (await asgi_client.get("/notes")).status_code == 200


async def test_a_slow_query_is_given_up(
    asgi_client: AsgiClient, notes: ModuleType, faults: Faults, clock: VirtualClock
) -> None:
    query = QUERIES[notes.__name__.removeprefix("notes.")]
    faults.dependency(notes.get_session).on(query).latency("30s")

    response = await asgi_client.get("/notes")

    assert (response.status_code, clock.elapsed) == (503, pytest.approx(3.0, abs=0.01))
