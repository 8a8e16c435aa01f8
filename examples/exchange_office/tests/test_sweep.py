"""Each call of the bank, each command and each query, with every fault: by one marker."""

import httpx
import pytest
import respx


async def written_once_at_most(asgi_client: httpx.AsyncClient) -> None:
    assert (await asgi_client.get("/conversions")).json() in (0, 1)


@pytest.mark.fault_sweep(invariant=written_once_at_most)
async def test_a_conversion(asgi_client: httpx.AsyncClient, bank: respx.Route) -> None:
    response = await asgi_client.post("/conversions", json={"currency": "USD", "cents": 100})
    assert response.status_code == 201


@pytest.mark.fault_sweep(only="postgresql://*")
async def test_the_books(asgi_client: httpx.AsyncClient) -> None:
    assert (await asgi_client.get("/conversions")).json() == 0
