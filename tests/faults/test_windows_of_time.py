"""The time of a fault's window is the test's, whatever loop it shares with earlier tests."""

from __future__ import annotations

import pytest

APP = """
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def root():
    async with httpx.AsyncClient(timeout=5) as http:
        return (await http.get("https://up.example/")).status_code
"""
TESTS = """
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

async def test_an_hour_passes(asgi_client, clock):
    await clock.advance("1h")

async def test_window(asgi_client, upstream, faults):
    upstream.get("https://up.example/").respond(200)
    faults.on("*").status(503).between("0s", "1m")
    assert (await asgi_client.get("/")).json() == 503
    assert upstream.exchanges[0].started < 60

async def test_after_the_window(asgi_client, upstream, faults, clock):
    upstream.get("https://up.example/").respond(200)
    faults.on("*").status(503, optional=True).between("0s", "1m")
    await clock.advance("61s")
    assert (await asgi_client.get("/")).json() == 200
"""


def test_a_loop_whose_time_is_ahead(pytester: pytest.Pytester) -> None:
    """An earlier test of the same loop has moved virtual time."""
    pytester.makepyfile(shop=APP, test_shop=TESTS)
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\n")
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=3)
