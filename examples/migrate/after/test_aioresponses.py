"""The same answers; a timeout is what aiohttp itself makes of scales that are silent."""

from pytest_asyncfastapi import AsgiClient, Faults, Upstream


async def test_a_parcel_has_a_weight(asgi_client: AsgiClient, upstream: Upstream) -> None:
    upstream.get("https://scales.example/parcels/1").respond(json={"kilos": 2.5})

    response = await asgi_client.get("/parcels/1/weight")

    assert response.json() == {"kilos": 2.5}


async def test_scales_that_are_silent_are_given_up(asgi_client: AsgiClient, faults: Faults) -> None:
    faults.on("https://scales.example/parcels/1").read_timeout()

    response = await asgi_client.get("/parcels/1/weight")

    assert response.status_code == 504
