"""What was bought, and who may see it."""

import httpx
import respx
from pytest_asyncfastapi import BlockingGuard, Load, Overrides, Threads

from shop.state import current_customer

CART = {"items": {"tea": 1}, "card": "tok-visa"}


async def test_a_customer_sees_her_own_order(
    shopper: httpx.AsyncClient, stock: respx.Router, payments: respx.Route
) -> None:
    order = (await shopper.post("/checkout", json=CART)).json()

    response = await shopper.get(f"/orders/{order['id']}")

    assert response.json() == {"id": order["id"], "total": 1450}


async def test_a_customer_does_not_see_what_others_bought(
    shopper: httpx.AsyncClient, stock: respx.Router, payments: respx.Route, overrides: Overrides
) -> None:
    order = (await shopper.post("/checkout", json=CART)).json()
    overrides[current_customer] = "grace@example.com"

    response = await shopper.get(f"/orders/{order['id']}")

    assert response.status_code == 404


async def test_a_label_is_printed_in_a_thread(
    asgi_client: httpx.AsyncClient, blocking: BlockingGuard
) -> None:
    response = await asgi_client.post("/orders/1/label")

    assert response.text == "label of order 1 printed"
    blocking.assert_none("sleep")  # it sleeps, and the event loop does not


async def test_fifty_labels_leave_the_threads_of_the_other_endpoints_free(
    asgi_client: httpx.AsyncClient, load: Load, threads: Threads
) -> None:
    report = await load(lambda n: asgi_client.post(f"/orders/{n}/label"), n=50, concurrency=50)

    assert report.statuses == {200: 50}
    threads.assert_not_exhausted()
