"""httpx.ASGITransport and pytest-asyncio: a mark for each test, and a client (conftest.py)."""

import httpx
import pytest


@pytest.mark.asyncio
async def test_a_parcel_is_sent(client: httpx.AsyncClient) -> None:
    response = await client.post("/parcels/1/send")

    assert response.status_code == 202
    assert response.json() == {"sent": True}
