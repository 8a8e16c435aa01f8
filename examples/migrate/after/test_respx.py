"""The same routes; a timeout is what the app's own client makes of an upstream that is silent."""

from pytest_asyncfastapi import AsgiClient, Faults, Upstream


async def test_a_parcel_has_a_place(asgi_client: AsgiClient, upstream: Upstream) -> None:
    upstream.get("https://carrier.example/parcels/1").respond(json={"place": "Bergen"})

    response = await asgi_client.get("/parcels/1/place")

    assert response.json() == {"place": "Bergen"}


async def test_a_carrier_that_is_silent_is_given_up(
    asgi_client: AsgiClient, faults: Faults
) -> None:
    faults.on("https://carrier.example/parcels/1").read_timeout()

    response = await asgi_client.get("/parcels/1/place")

    assert response.status_code == 504
