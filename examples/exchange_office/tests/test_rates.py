"""The bank, whose answers are made in memory below aiohttp."""

import httpx
import pytest
import respx
from pytest_asyncfastapi import Faults, VirtualClock


async def test_a_rate_is_asked_for_once(asgi_client: httpx.AsyncClient, bank: respx.Route) -> None:
    for _ in range(3):
        assert (await asgi_client.get("/rates/USD")).json() == 1.25
    assert bank.call_count == 1


async def test_a_slow_bank_is_given_up_after_two_seconds(
    asgi_client: httpx.AsyncClient, bank: respx.Route, faults: Faults, clock: VirtualClock
) -> None:
    faults.on("https://bank.example/*").latency("30s")
    assert (await asgi_client.get("/rates/USD")).status_code == 502
    assert clock.elapsed == pytest.approx(2.0)


@pytest.mark.parametrize("fault", ["refused", "dns_error", "reset", "status=500", "bad_json"])
async def test_a_bank_that_fails(
    asgi_client: httpx.AsyncClient, bank: respx.Route, faults: Faults, fault: str
) -> None:
    faults.add(f"https://bank.example/*: {fault}")
    assert (await asgi_client.get("/rates/USD")).status_code == 502
