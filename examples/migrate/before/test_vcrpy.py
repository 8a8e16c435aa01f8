"""vcrpy: a call that is not on the cassette raises in the app, which may swallow that."""

from pathlib import Path

import httpx
import pytest
import vcr

CASSETTES = Path(__file__).parent.parent / "cassettes"
player = vcr.VCR(record_mode="none", ignore_hosts=["test"], cassette_library_dir=str(CASSETTES))


@pytest.mark.asyncio
async def test_a_stamp_has_a_price(client: httpx.AsyncClient) -> None:
    with player.use_cassette("stamp.yaml"):
        response = await client.get("/stamp")

    assert response.json() == {"cents": 95}
