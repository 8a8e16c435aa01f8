"""blockbuster: a blocking call raises where it is made, and the app may swallow that."""

from collections.abc import Iterator

import httpx
import pytest
from blockbuster import BlockBuster, blockbuster_ctx


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    with blockbuster_ctx() as blockbuster:
        yield blockbuster


@pytest.mark.asyncio
async def test_a_parcel_is_read(client: httpx.AsyncClient) -> None:
    response = await client.get("/parcels/1")

    assert response.json() == {"number": 1}
