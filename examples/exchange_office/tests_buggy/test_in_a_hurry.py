"""An ordinary test; the sweep finds the connection that is lost."""

import httpx
import pytest

import rates.in_a_hurry  # noqa: F401 - it adds an endpoint


@pytest.mark.fault_sweep(only="redis://*", faults=["reset"])
async def test_a_rate(asgi_client: httpx.AsyncClient) -> None:
    assert (await asgi_client.get("/hurry/USD")).json() == 0.0
