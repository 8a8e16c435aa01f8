"""Routes that a fixture gives are there as the app starts, in whatever order it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

APP = """
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as http:
        app.state.config = (await http.get("http://127.0.0.1:9/config")).json()
    yield

@pytest.fixture
def asgi_app():
    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def root():
        return app.state.config

    return app

@pytest.fixture
def provider(upstream):
    return upstream.get("http://127.0.0.1:9/config").respond(json={"a": 1})

@pytest.fixture
def seeded(asgi_client, provider):
    return asgi_client
"""


def test_the_order_of_the_arguments_does_not_matter(pytester: pytest.Pytester) -> None:
    """The app calls its upstream as it starts: never the real network, whatever is missing."""
    pytester.makepyfile(
        APP
        + """
async def test_before(provider, asgi_client):
    assert (await asgi_client.get("/")).json() == {"a": 1}

async def test_after(asgi_client, provider):
    assert (await asgi_client.get("/")).json() == {"a": 1}

async def test_both_in_a_fixture(seeded, provider):
    assert (await seeded.get("/")).json() == {"a": 1}

async def test_without_a_route(asgi_client, upstream):
    pass
"""
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*no route answers GET http://127.0.0.1:9/config*"])
