"""A checkout when an upstream is slow, away or unwell: all in virtual time."""

import httpx
import pytest
import respx
from pytest_asyncfastapi import Faults, VirtualClock
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shop.models import Order

CART = {"items": {"mug": 1}, "card": "tok-visa"}


@pytest.fixture
def released(stock: respx.Router) -> respx.Route:
    """The stock room takes reservations back, and must be asked to."""
    return stock.delete("https://stock.example/reservations/r-1").respond(204)


async def test_slow_payments_are_given_up_after_two_seconds(
    shopper: httpx.AsyncClient,
    payments: respx.Route,
    released: respx.Route,
    faults: Faults,
    clock: VirtualClock,
) -> None:
    faults.on("https://pay.example/*").latency("30s")

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 504
    assert clock.elapsed == pytest.approx(2.0)


async def test_payments_that_refuse_leave_no_order(
    shopper: httpx.AsyncClient, released: respx.Route, faults: Faults, session: AsyncSession
) -> None:
    faults.on("https://pay.example/*").refused()

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 502
    assert (await session.scalars(select(Order))).all() == []
    assert released.call_count == 1


@pytest.mark.parametrize("status", [500, 503])
async def test_payments_that_are_unwell_are_a_bad_gateway(
    shopper: httpx.AsyncClient, released: respx.Route, faults: Faults, status: int
) -> None:
    faults.on("https://pay.example/*").status(status)

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 502


async def test_a_charge_that_is_cut_off_is_a_bad_gateway(
    shopper: httpx.AsyncClient, released: respx.Route, faults: Faults
) -> None:
    faults.on("https://pay.example/charges").reset()

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 502


async def test_the_stock_is_asked_again_after_two_failures(
    shopper: httpx.AsyncClient,
    stock: respx.Router,
    payments: respx.Route,
    faults: Faults,
    clock: VirtualClock,
) -> None:
    faults.on("https://stock.example/items/*").refused().first(2)

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 201
    assert clock.elapsed == pytest.approx(0.2 + 0.4)  # the two pauses


async def test_a_stock_room_that_never_answers_costs_three_read_timeouts(
    shopper: httpx.AsyncClient, faults: Faults, clock: VirtualClock
) -> None:
    faults.on("https://stock.example/*").read_timeout()

    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 503
    assert clock.elapsed == pytest.approx(1.0 + 0.2 + 1.0 + 0.4 + 1.0)


@pytest.mark.faults("https://stock.example/items/*: status=503, retry_after=1, first=1")
async def test_one_bad_answer_of_the_stock_room_goes_unnoticed(
    shopper: httpx.AsyncClient, stock: respx.Router, payments: respx.Route, clock: VirtualClock
) -> None:
    response = await shopper.post("/checkout", json=CART)

    assert response.status_code == 201
    assert clock.elapsed == pytest.approx(0.2)
