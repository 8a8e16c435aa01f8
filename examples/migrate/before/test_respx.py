"""respx alone: a timeout is an exception that the mock raises."""

import httpx
import pytest
import respx


@pytest.mark.asyncio
async def test_a_parcel_has_a_place(client: httpx.AsyncClient, respx_mock: respx.Router) -> None:
    respx_mock.get("https://carrier.example/parcels/1").respond(json={"place": "Bergen"})

    response = await client.get("/parcels/1/place")

    assert response.json() == {"place": "Bergen"}


@pytest.mark.asyncio
async def test_a_carrier_that_is_silent_is_given_up(
    client: httpx.AsyncClient, respx_mock: respx.Router
) -> None:
    silent = respx_mock.get("https://carrier.example/parcels/1")
    silent.side_effect = httpx.ReadTimeout

    response = await client.get("/parcels/1/place")

    assert response.status_code == 504
