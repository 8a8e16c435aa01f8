"""The flash sale: who leaves, who cannot pay, and who comes at the same moment."""

import asyncio

import pytest
import respx
from pytest_asyncfastapi import AsgiClient, Faults, Upstream, VirtualClock

ORDER = {"card": "tok-visa"}


async def none_is_lost(asgi_client: AsgiClient) -> None:
    """Each of the five is on the shelf or sold, whatever became of a request."""
    sale = (await asgi_client.get("/sale")).json()
    assert sale["left"] + sale["sold"] == 5


async def nobody_watches(asgi_client: AsgiClient) -> None:
    assert (await asgi_client.get("/sale")).json()["watching"] == 0


@pytest.mark.disconnect_sweep(invariant=none_is_lost)
async def test_one_is_bought(shopper: AsgiClient, payments: respx.Route) -> None:
    response = await shopper.post("/sale/orders", json=ORDER)

    assert response.json() == {"charge": "ch-1"}


async def test_the_sixth_is_too_late(shopper: AsgiClient, payments: respx.Route) -> None:
    statuses = [(await shopper.post("/sale/orders", json=ORDER)).status_code for _ in range(6)]

    assert statuses == [201] * 5 + [409]


async def test_who_cannot_pay_keeps_nothing_back(
    shopper: AsgiClient, payments: respx.Route, faults: Faults, clock: VirtualClock
) -> None:
    faults.on("https://pay.example/*").latency("30s")

    response = await shopper.post("/sale/orders", json=ORDER)

    assert (response.status_code, clock.elapsed) == (504, pytest.approx(2.0))
    await none_is_lost(shopper)


@pytest.mark.schedules(5)
async def test_one_is_bought_while_one_comes_back(
    shopper: AsgiClient, payments: respx.Route, upstream: Upstream
) -> None:
    await shopper.post("/sale/orders", json=ORDER)
    upstream.delete("https://pay.example/charges/ch-1").respond(204)

    await asyncio.gather(
        shopper.post("/sale/orders", json=ORDER), shopper.delete("/sale/orders/ch-1")
    )

    assert (await shopper.get("/sale")).json() == {"left": 4, "sold": 1, "watching": 0}


# The stream never ends by itself, so it cannot be asked for once more.
@pytest.mark.disconnect_sweep(invariant=nobody_watches, again=False)
async def test_everybody_sees_what_is_left(shopper: AsgiClient, payments: respx.Route) -> None:
    async with shopper.sse("/sale/events") as events:
        assert (await anext(events)).data == "5"
        await shopper.post("/sale/orders", json=ORDER)
        assert (await anext(events)).data == "4"
