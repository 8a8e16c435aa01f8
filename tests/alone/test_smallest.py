"""What a project sees that has the plugin, FastAPI and nothing else."""

from __future__ import annotations

import httpx
import pytest


async def test_the_readmes_smallest_example(asgi_client, upstream, faults, clock) -> None:
    """Client, upstream, fault and virtual time work without another plugin."""
    upstream.get("https://prices.example/mug").respond(json=950)
    assert (await asgi_client.get("/price/mug")).json() == {"cents": 950}
    faults.on("https://prices.example/*").latency("30s")
    with pytest.raises(httpx.ReadTimeout):
        await asgi_client.get("/price/mug")
    assert clock.elapsed == 2.0


async def test_the_guard_is_on(asgi_client, upstream, blocking) -> None:
    """And finds nothing in a sound endpoint."""
    upstream.get("https://prices.example/mug").respond(json=950)
    await asgi_client.get("/price/mug")
    blocking.assert_none()
