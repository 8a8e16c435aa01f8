"""What both suites share: a fresh database, a customer, and upstreams that answer."""

from pathlib import Path

import pytest
import respx
from pytest_asyncfastapi import AsgiClient


@pytest.fixture(autouse=True)
def database_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh database file for each test."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    monkeypatch.setenv("SHOP_DATABASE_URL", url)
    return url


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
