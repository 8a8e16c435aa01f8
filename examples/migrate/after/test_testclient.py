"""`async def`, `await`, and no client to build."""

from pytest_asyncfastapi import AsgiClient


async def test_a_parcel_is_taken(asgi_client: AsgiClient) -> None:
    response = await asgi_client.post("/parcels", json={"to": "Oslo"})

    assert response.status_code == 201
    assert response.json() == {"number": 1, "to": "Oslo"}


async def test_a_parcel_is_followed(asgi_client: AsgiClient) -> None:
    async with asgi_client.websocket("/live") as socket:
        await socket.send("1")
        answer = await socket.receive_json()

    assert answer == {"number": 1, "place": "on its way"}
