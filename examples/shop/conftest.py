"""What both suites share: a fresh database, a customer, and upstreams that answer."""

import asyncio
import os
from pathlib import Path

import pytest
import respx
from pytest_asyncfastapi import AsgiClient

POSTGRESQL = "SHOP_POSTGRESQL_URL"


@pytest.fixture(autouse=True)
def database_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh database for each test: a file, or an emptied PostgreSQL if there is one."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    if server := os.environ.get(POSTGRESQL):
        asyncio.run(empty(server))
        url = server.replace("postgresql:", "postgresql+asyncpg:")
    monkeypatch.setenv("SHOP_DATABASE_URL", url)
    return url


async def empty(server: str) -> None:
    """Take away all that is in a PostgreSQL database."""
    import asyncpg

    connection = await asyncpg.connect(server)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


@pytest.fixture
def shopper(asgi_client: AsgiClient) -> AsgiClient:
    """The client of a customer whom the gateway knows."""
    asgi_client.headers["X-Customer"] = "ada@example.com"
    return asgi_client


@pytest.fixture
def stock(upstream: respx.Router) -> respx.Router:
    """A stock room with ten of everything, that takes reservations."""
    upstream.get(url__startswith="https://stock.example/items/").respond(json={"available": 10})
    upstream.post("https://stock.example/reservations").respond(201, json={"id": "r-1"})
    return upstream


@pytest.fixture
def payments(upstream: respx.Router) -> respx.Route:
    """A payment provider that accepts every card."""
    return upstream.post("https://pay.example/charges").respond(201, json={"id": "ch-1"})
