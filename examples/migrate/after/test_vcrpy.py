"""A cassette in JSON; a call that is not on it fails the test, whatever the app swallows."""

from pytest_asyncfastapi import AsgiClient, Upstream


async def test_a_stamp_has_a_price(asgi_client: AsgiClient, upstream: Upstream) -> None:
    upstream.replay("cassettes/stamp.json")

    response = await asgi_client.get("/stamp")

    assert response.json() == {"cents": 95}
