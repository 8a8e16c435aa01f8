"""Ordinary tests of the shop that was written in a hurry: every assertion holds."""

import asyncio

import httpx
import pytest
import respx
from pytest_asyncfastapi import AsgiClient, Faults, Load, Upstream

pytestmark = pytest.mark.asyncfastapi(app="shop_buggy.main:create_app()")

CART = {"items": {"mug": 1}, "card": "tok-visa"}


async def test_the_stock_is_asked_again_after_a_failure(
    shopper: httpx.AsyncClient, stock: respx.Router, payments: respx.Route, faults: Faults
) -> None:
    faults.on("https://stock.example/items/*").refused().first(1)

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 201


async def test_payments_that_never_answer_are_a_bad_gateway(
    shopper: httpx.AsyncClient, stock: respx.Router, faults: Faults
) -> None:
    stock.delete("https://stock.example/reservations/r-1").respond(204)
    faults.on("https://pay.example/*").read_timeout()

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 502


async def test_a_product_can_be_read(
    asgi_client: httpx.AsyncClient, upstream: respx.Router
) -> None:
    response = await asgi_client.get("/products/2")

    assert response.json()["name"] == "A pound of tea"


async def test_bestsellers_come_first(
    shopper: httpx.AsyncClient, stock: respx.Router, payments: respx.Route
) -> None:
    await shopper.post("/checkout", json={"items": {"mug": 2, "tea": 5}, "card": "tok-visa"})

    response = await shopper.get("/bestsellers")

    assert list(response.json()) == ["tea", "mug"]


async def test_an_order_can_be_read(
    shopper: httpx.AsyncClient, stock: respx.Router, payments: respx.Route
) -> None:
    order = (await shopper.post("/checkout", json=CART)).json()

    response = await shopper.get(f"/orders/{order['id']}")

    assert response.json()["total"] == 900


async def test_fifty_labels_can_be_printed_at_once(
    asgi_client: httpx.AsyncClient, load: Load
) -> None:
    report = await load(lambda n: asgi_client.post(f"/orders/{n}/label"), n=50, concurrency=50)

    assert report.statuses == {200: 50}


async def test_twenty_customers_at_once_see_what_there_is(
    asgi_client: httpx.AsyncClient, stock: Upstream, faults: Faults, load: Load
) -> None:
    stock.allow_unused_routes = True
    faults.on("https://stock.example/*").latency("100ms")

    report = await load(lambda: asgi_client.get("/availability"), n=20, concurrency=20)

    assert report.statuses == {200: 20}
    stock.assert_max_in_flight(10)


async def none_is_lost(asgi_client: AsgiClient) -> None:
    """Each of the five is on the shelf or sold, whatever became of a request."""
    sale = (await asgi_client.get("/sale")).json()
    assert sale["left"] + sale["sold"] == 5


@pytest.mark.disconnect_sweep(invariant=none_is_lost)
async def test_one_is_bought_in_the_sale(shopper: AsgiClient, payments: respx.Route) -> None:
    response = await shopper.post("/sale/orders", json={"card": "tok-visa"})

    assert response.status_code == 201


@pytest.mark.schedules(50)
async def test_one_is_bought_while_one_comes_back(
    shopper: AsgiClient, payments: respx.Route, upstream: Upstream
) -> None:
    await shopper.post("/sale/orders", json={"card": "tok-visa"})
    upstream.delete("https://pay.example/charges/ch-1").respond(204)

    await asyncio.gather(
        shopper.post("/sale/orders", json={"card": "tok-visa"}),
        shopper.delete("/sale/orders/ch-1"),
    )

    assert (await shopper.get("/sale")).json() == {"left": 4, "sold": 1, "watching": 0}
