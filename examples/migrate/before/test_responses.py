"""responses: the mock answers at once, so nothing shows that requests blocks the event loop."""

import httpx
import pytest
import responses


@pytest.mark.asyncio
@responses.activate
async def test_a_parcel_is_insured(client: httpx.AsyncClient) -> None:
    responses.get("https://insurer.example/parcels/1", json={"cents": 120})

    response = await client.get("/parcels/1/insurance")

    assert response.json() == {"cents": 120}
