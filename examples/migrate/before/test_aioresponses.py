"""aioresponses: a timeout is an exception that the mock raises."""

from collections.abc import Iterator
from inspect import signature

import httpx
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses

# aioresponses 0.7.9 makes aiohttp's responses itself, without what aiohttp 3.14 asks for.
pytestmark = pytest.mark.skipif(
    "stream_writer" in signature(ClientResponse).parameters,
    reason="this aioresponses does not know this aiohttp",
)


@pytest.fixture
def mocked() -> Iterator[aioresponses]:
    with aioresponses() as mocked:
        yield mocked


@pytest.mark.asyncio
async def test_a_parcel_has_a_weight(client: httpx.AsyncClient, mocked: aioresponses) -> None:
    mocked.get("https://scales.example/parcels/1", payload={"kilos": 2.5})

    response = await client.get("/parcels/1/weight")

    assert response.json() == {"kilos": 2.5}


@pytest.mark.asyncio
async def test_scales_that_are_silent_are_given_up(
    client: httpx.AsyncClient, mocked: aioresponses
) -> None:
    mocked.get("https://scales.example/parcels/1", exception=TimeoutError())

    response = await client.get("/parcels/1/weight")

    assert response.status_code == 504
