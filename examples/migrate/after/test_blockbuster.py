"""Nothing to switch on: a blocking call is recorded, and fails the test at its end."""

from pytest_asyncfastapi import AsgiClient


async def test_a_parcel_is_read(asgi_client: AsgiClient) -> None:
    response = await asgi_client.get("/parcels/1")

    assert response.json() == {"number": 1}
