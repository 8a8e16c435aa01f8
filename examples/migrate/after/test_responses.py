"""The same answer; a synchronous call on the event loop is found, whoever answers it."""

from pytest_asyncfastapi import AsgiClient, Upstream


async def test_a_parcel_is_insured(asgi_client: AsgiClient, upstream: Upstream) -> None:
    upstream.get("https://insurer.example/parcels/1").respond(json={"cents": 120})

    response = await asgi_client.get("/parcels/1/insurance")

    assert response.json() == {"cents": 120}
