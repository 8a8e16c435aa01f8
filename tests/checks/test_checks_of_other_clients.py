"""The checks hold for requests of other test clients too, in tests that use our fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.concurrency.conftest import Projects

APP = """
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.post("/charge")
async def charge():
    async with httpx.AsyncClient() as http:
        await http.post("https://pay.example/charges")  # nobody looks
    return {}

@app.post("/checked")
async def checked():
    async with httpx.AsyncClient() as http:
        answer = await http.post("https://pay.example/charges")
    return {"paid": answer.is_success}
"""
TEST_CLIENT = """
from fastapi.testclient import TestClient
from app import app

def test_it(upstream):
    upstream.post("https://pay.example/charges").respond(503)
    assert TestClient(app).post("{path}").status_code == 200
"""
TRANSPORT = """
import httpx
from app import app

async def test_it(upstream):
    upstream.post("https://pay.example/charges").respond(503)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        assert (await client.post("{path}")).status_code == 200
"""


@pytest.mark.parametrize("test", [TEST_CLIENT, TRANSPORT])
def test_what_another_client_is_answered(projects: Projects, test: str) -> None:
    """The request is known by its label and its status."""
    report = projects.run(
        "--asyncfastapi-checks=fail", app=APP, test_it=test.format(path="/charge")
    )
    report.outcome(failed=1)
    found = report.finding("swallowed")
    assert "met status 503, and POST /charge answered 200" in found
    assert report.line("app.py", "# nobody looks") in found

    sound = projects.run(
        "--asyncfastapi-checks=fail", app=APP, test_it=test.format(path="/checked")
    )
    sound.outcome(passed=1)
