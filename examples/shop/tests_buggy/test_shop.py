"""Ordinary tests of the shop that was written in a hurry: every assertion holds."""

import httpx
import pytest
import respx
from pytest_asyncfastapi import Faults, Load, Upstream

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
