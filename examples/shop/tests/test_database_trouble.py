"""A database that fails: where the app is given it, and, on PostgreSQL, on the way to it."""

import os

import httpx
import pytest
from pytest_asyncfastapi import Faults, VirtualClock
from sqlalchemy.exc import DBAPIError

from shop.state import current_shop

on_postgresql = pytest.mark.skipif(
    "SHOP_POSTGRESQL_URL" not in os.environ,
    reason="SQLite has no connection: set SHOP_POSTGRESQL_URL=postgresql://user@localhost/empty",
)


async def test_without_a_database(asgi_client: httpx.AsyncClient, faults: Faults) -> None:
    """In the dependency: whatever the database is."""
    faults.dependency(current_shop).raises(ConnectionRefusedError("no database"))
    with pytest.raises(ConnectionRefusedError):
        await asgi_client.get("/products")


@on_postgresql
async def test_a_connection_that_is_lost_is_opened_again(
    asgi_client: httpx.AsyncClient, faults: Faults
) -> None:
    """Below the driver: the error is asyncpg's, and SQLAlchemy's pool has to notice."""
    assert (await asgi_client.get("/products")).status_code == 200
    faults.on("postgresql://*").reset().first(1)
    with pytest.raises(DBAPIError):
        await asgi_client.get("/products")
    assert (await asgi_client.get("/products")).status_code == 200


@on_postgresql
async def test_a_slow_query_is_waited_for(
    asgi_client: httpx.AsyncClient, faults: Faults, clock: VirtualClock
) -> None:
    faults.on("postgresql://*").latency("3s").first(1)
    before = clock.elapsed
    assert (await asgi_client.get("/products")).status_code == 200
    assert clock.elapsed - before == pytest.approx(3.0)
