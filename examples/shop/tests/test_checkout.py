"""A checkout when both upstreams are well."""

import json

import httpx
import pytest
import respx
from pytest_asyncfastapi import Faults, VirtualClock
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shop.models import Order, Receipt

CART = {"items": {"mug": 2, "kettle": 1}, "card": "tok-visa"}


async def test_a_checkout_charges_the_card_and_writes_the_order(
    shopper: httpx.AsyncClient,
    stock: respx.Router,
    payments: respx.Route,
    session: AsyncSession,
) -> None:
    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 201
    assert response.json() == {"id": 1, "total": 5700}
    charged = json.loads(payments.calls.last.request.content)
    assert charged == {"card": "tok-visa", "amount": 5700}
    order = (await session.scalars(select(Order))).one()
    assert (order.customer, order.charge) == ("ada@example.com", "ch-1")


async def test_the_receipt_is_written_in_the_background(
    shopper: httpx.AsyncClient,
    stock: respx.Router,
    payments: respx.Route,
    session: AsyncSession,
) -> None:
    await shopper.post("/checkout", json=CART)

    receipt = (await session.scalars(select(Receipt))).one()
    assert receipt.recipient == "ada@example.com"
    assert receipt.text == "Thank you! Order 1: 57.00 EUR."


async def test_a_payment_within_the_budget_succeeds(
    shopper: httpx.AsyncClient,
    stock: respx.Router,
    payments: respx.Route,
    faults: Faults,
    clock: VirtualClock,
) -> None:
    faults.on("https://pay.example/*").latency("1900ms")

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 201
    assert clock.elapsed == pytest.approx(1.9)


async def test_more_than_there_is_cannot_be_bought(
    shopper: httpx.AsyncClient, upstream: respx.Router
) -> None:
    upstream.get("https://stock.example/items/mug").respond(json={"available": 1})

    response = await shopper.post("/checkout", json={"items": {"mug": 2}, "card": "tok-visa"})

    assert response.status_code == 409


async def test_a_declined_card_puts_the_goods_back(
    shopper: httpx.AsyncClient, stock: respx.Router
) -> None:
    stock.post("https://pay.example/charges").respond(402)
    released = stock.delete("https://stock.example/reservations/r-1").respond(204)

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 402
    assert released.call_count == 1
