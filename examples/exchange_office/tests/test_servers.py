"""The real cache and the real database, when they are slow, cut off, or gone."""

import httpx
import pytest
import respx
from pytest_asyncfastapi import Faults, Upstream, VirtualClock

CONVERSION = {"currency": "USD", "cents": 100}


async def test_without_its_cache_the_office_is_open(
    asgi_client: httpx.AsyncClient, bank: respx.Route, faults: Faults, clock: VirtualClock
) -> None:
    faults.on("redis://*").latency("30s")
    response = await asgi_client.get("/rates/USD")
    assert response.json() == 1.25
    assert clock.elapsed == pytest.approx(2.0)  # a second to ask it, another to tell it


async def test_a_database_that_is_cut_off_is_said_and_forgotten(
    asgi_client: httpx.AsyncClient, bank: respx.Route, faults: Faults
) -> None:
    faults.on("postgresql://*").reset().first(1)
    assert (await asgi_client.post("/conversions", json=CONVERSION)).status_code == 503
    assert (await asgi_client.post("/conversions", json=CONVERSION)).status_code == 201
    assert (await asgi_client.get("/conversions")).json() == 1


async def test_a_slow_database_is_given_up_after_ten_seconds(
    asgi_client: httpx.AsyncClient, faults: Faults, clock: VirtualClock
) -> None:
    faults.on("postgresql://*").latency("1m").first(1)
    assert (await asgi_client.get("/conversions")).status_code == 503
    assert clock.elapsed == pytest.approx(10.0)  # five for the query, five to cancel it


async def test_one_insert_a_conversion(
    asgi_client: httpx.AsyncClient, bank: respx.Route, upstream: Upstream
) -> None:
    await asgi_client.post("/conversions", json=CONVERSION)
    commands = [call.method for call in upstream.round_trips if call.activity]
    assert commands.count("INSERT") == 1
    assert [commands.count(name) for name in ("BEGIN", "COMMIT", "GET", "SET")] == [1, 1, 1, 1]
