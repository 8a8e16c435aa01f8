"""A transaction for each test, rolled back at its end: for a database that is made only once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from pytest_asyncfastapi import AsgiClient, Overrides
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from notes import on_databases, on_sqlalchemy


def begin_in_time(engine: AsyncEngine) -> None:
    """Python's sqlite3 begins a transaction at the first write only; savepoints need one before."""

    @event.listens_for(engine.sync_engine, "connect")
    def leave_it_to_us(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


class TestSqlalchemy:
    """Through `overrides`: every session of the app is on the test's own connection."""

    @pytest.fixture
    def asgi_app(self, database_url: str) -> FastAPI:
        return on_sqlalchemy.app

    @pytest.fixture(autouse=True)
    async def rolled_back(
        self, asgi_client: AsgiClient, database_url: str, overrides: Overrides
    ) -> AsyncIterator[None]:
        engine = create_async_engine(on_sqlalchemy.async_url(database_url))
        if database_url.startswith("sqlite"):
            begin_in_time(engine)
        async with engine.connect() as connection, connection.begin() as transaction:

            async def session() -> AsyncIterator[AsyncSession]:
                # What the app commits is a savepoint.
                mode: Any = "create_savepoint"
                async with AsyncSession(connection, join_transaction_mode=mode) as session:
                    yield session

            overrides[on_sqlalchemy.get_session] = session
            yield
            await transaction.rollback()
        await engine.dispose()

    @pytest.mark.parametrize("text", ["milk", "bread"])
    async def test_a_test_sees_only_its_own_notes(self, asgi_client: AsgiClient, text: str) -> None:
        assert (await asgi_client.post("/notes", json={"text": text})).status_code == 201

        assert (await asgi_client.get("/notes")).json() == [text]


class TestDatabases:
    """Through the lifespan: the library can do it by itself, and is told to."""

    @pytest.fixture
    def asgi_app(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
        monkeypatch.setenv("NOTES_ROLLBACK", "yes")
        return on_databases.app

    @pytest.mark.parametrize("text", ["milk", "bread"])
    async def test_a_test_sees_only_its_own_notes(self, asgi_client: AsgiClient, text: str) -> None:
        assert (await asgi_client.post("/notes", json={"text": text})).status_code == 201

        assert (await asgi_client.get("/notes")).json() == [text]
