"""A project with something to report, and what a run of it has written."""

from __future__ import annotations

import json
from typing import Any

import pytest

APP = """
import asyncio
import time
from contextlib import asynccontextmanager

import httpx
from fastapi import BackgroundTasks, FastAPI, WebSocket


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=5) as app.state.http:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/sleepy")
async def sleepy():
    time.sleep(0.02)
    return 1


async def later():
    await asyncio.sleep(0.5)


@app.post("/checkout")
async def checkout(tasks: BackgroundTasks):
    paid = await app.state.http.post("https://pay.example/charges")
    time.sleep(0.03)
    tasks.add_task(later)
    return {"paid": paid.status_code}


@app.get("/thread/{n}")
def thread(n: int):
    time.sleep(0.02)
    return n


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    await socket.send_text("hi")
    await socket.close()
"""

TESTS = """
import asyncio

import anyio.to_thread
import httpx
import pytest


async def test_blocks(asgi_client):
    await asgi_client.get("/sleepy")


async def test_checkout(asgi_client, upstream, faults):
    upstream.post("https://pay.example/charges").respond(201, json={"id": 1})
    faults.on("https://pay.example/*").latency("2s")
    await asgi_client.post("/checkout")


async def test_times_out(asgi_client, upstream, faults):
    upstream.post("https://pay.example/charges").respond(201)
    faults.on("https://pay.example/*").read_timeout()
    with pytest.raises(httpx.ReadTimeout):
        await asgi_client.post("/checkout")


async def test_threads(asgi_client):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 1
    await asyncio.gather(*(asgi_client.get(f"/thread/{n}") for n in range(3)))


async def test_websocket(asgi_client):
    async with asgi_client.websocket("/ws") as ws:
        assert await ws.receive_text() == "hi"


def test_plain():
    pass


@pytest.mark.skip(reason="not now")
def test_skipped():
    pass


@pytest.mark.xfail(strict=True)
def test_expected():
    raise ValueError("as expected")


@pytest.fixture
def broken():
    raise RuntimeError("no fixture")


def test_error(broken):
    pass
"""


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run inside of these tests is not one of GitHub's."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """An app with bugs, and tests of all outcomes."""
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = shopapp:app\nasyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makepyfile(shopapp=APP, test_shop=TESTS)
    return pytester


class Told:
    """A JSON report, as a reader sees it."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.tests = {test["id"].partition("::")[2]: test for test in data["tests"]}


@pytest.fixture
def told(project: pytest.Pytester) -> Any:
    """Run with these arguments; gives the JSON report, which fits its schema."""
    from jsonschema import Draft202012Validator

    from pytest_asyncfastapi._report.json_file import schema

    def told(*args: str) -> Told:
        # In this process it is quicker: the libraries are there.
        run = project.runpytest_subprocess if "-n" in args else project.runpytest_inprocess
        run("--asyncfastapi-json=report.json", *args)
        data = json.loads((project.path / "report.json").read_text())
        Draft202012Validator.check_schema(schema())
        Draft202012Validator(schema()).validate(data)
        return Told(data)

    return told
