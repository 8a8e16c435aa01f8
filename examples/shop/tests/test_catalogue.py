"""What there is to buy."""

import httpx
import pytest
import respx
from pytest_asyncfastapi import AsgiClient, Faults, Load, Upstream, VirtualClock, WebSocketClosed


async def test_products_are_listed(asgi_client: httpx.AsyncClient) -> None:
    response = await asgi_client.get("/products")

    assert [product["sku"] for product in response.json()] == ["mug", "tea", "kettle"]


async def test_a_product_can_be_read(asgi_client: httpx.AsyncClient) -> None:
    response = await asgi_client.get("/products/2")

    assert response.json() == {"id": 2, "sku": "tea", "name": "A pound of tea", "price": 1450}


async def test_an_unknown_product_is_not_found(asgi_client: httpx.AsyncClient) -> None:
    response = await asgi_client.get("/products/99")

    assert response.status_code == 404


async def test_the_stock_of_all_products_is_asked_at_the_same_time(
    asgi_client: httpx.AsyncClient, upstream: respx.Router, faults: Faults, clock: VirtualClock
) -> None:
    upstream.get(url__startswith="https://stock.example/items/").respond(json={"available": 7})
    faults.on("https://stock.example/*").latency("800ms")

    response = await asgi_client.get("/availability")

    assert response.json() == {"mug": 7, "tea": 7, "kettle": 7}
    assert clock.elapsed == pytest.approx(0.8)  # three calls, and not 2.4 s


async def test_the_stock_room_is_not_overrun(
    asgi_client: httpx.AsyncClient, upstream: Upstream, faults: Faults, load: Load
) -> None:
    upstream.get(url__startswith="https://stock.example/items/").respond(json={"available": 7})
    faults.on("https://stock.example/*").latency("100ms")

    report = await load(lambda: asgi_client.get("/availability"), n=20, concurrency=20)

    assert report.statuses == {200: 20}
    upstream.assert_max_in_flight(10)


async def test_bestsellers_come_first(
    shopper: httpx.AsyncClient, stock: respx.Router, payments: respx.Route
) -> None:
    await shopper.post("/checkout", json={"items": {"mug": 2, "tea": 5}, "card": "tok-visa"})
    await shopper.post("/checkout", json={"items": {"mug": 1}, "card": "tok-visa"})

    response = await shopper.get("/bestsellers")

    assert list(response.json().items()) == [("tea", 5), ("mug", 3)]


async def test_who_leafs_through_the_catalogue_is_told(
    asgi_client: AsgiClient, upstream: Upstream, faults: Faults
) -> None:
    upstream.get(url__startswith="https://stock.example/items/").respond(json={"available": 7})

    async with asgi_client.websocket("/availability/ask") as socket:
        await socket.send("mug")
        assert await socket.receive_json() == {"mug": 7}
        faults.on("https://stock.example/*").refused()
        await socket.send("tea")
        with pytest.raises(WebSocketClosed) as closed:
            await socket.receive()

    assert closed.value.code == 1013
