"""The same answers, by the client's own pool: what is not closed stays open."""

import pytest
from pytest_asyncfastapi import AsgiClient, Upstream

# Warnings, if nothing is said.
pytestmark = pytest.mark.asyncfastapi(leaks="fail")


@pytest.mark.parametrize(("status", "is_cleared"), [(200, True), (404, False)])
async def test_a_parcel_is_cleared(
    asgi_client: AsgiClient, upstream: Upstream, status: int, is_cleared: bool
) -> None:
    upstream.get("https://customs.example/papers/1").respond(status)

    response = await asgi_client.get("/parcels/1/cleared")

    assert response.json() == {"cleared": is_cleared}
