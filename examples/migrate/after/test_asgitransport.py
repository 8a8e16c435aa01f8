"""The same client, and no mark; the lifespan runs, its state arrives."""

import pytest
from pytest_asyncfastapi import AsgiClient

# Warnings, if nothing is said.
pytestmark = pytest.mark.asyncfastapi(leaks="fail")


async def test_a_parcel_is_sent(asgi_client: AsgiClient) -> None:
    response = await asgi_client.post("/parcels/1/send")

    assert response.status_code == 202
    assert response.json() == {"sent": True}
