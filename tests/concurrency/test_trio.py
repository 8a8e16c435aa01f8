"""Leaks on trio: there a task has a nursery, so what is lost is a system task."""

from __future__ import annotations

import pytest

APP = """
import httpx, trio
from fastapi import FastAPI

app = FastAPI()
kept = []

async def mail():
    await trio.sleep_forever()

async def feed():
    yield 1
    yield 2

@app.get("/task")
async def task():
    trio.lowlevel.spawn_system_task(mail)
    return {}

@app.get("/coroutine")
async def coroutine():
    mail()
    return {}

@app.get("/client")
async def client():
    client = httpx.AsyncClient()
    await client.get("https://up.example/")
    return {}

@app.get("/generator")
async def generator():
    items = feed()
    kept.append(items)
    async for item in items:
        break
    return {}

@app.get("/sound")
async def sound():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0)
    await trio.to_thread.run_sync(len, "x")
    return {}
"""

TESTS = """
import pytest

{setup}

{mark}
@pytest.mark.parametrize("path", ["task", "coroutine", "client", "generator", "sound"])
async def test_leak(asgi_client, upstream, path):
    upstream.allow_unused_routes = True
    upstream.get("https://up.example/").respond(json=[])
    assert (await asgi_client.get("/" + path)).status_code == 200
"""

ANYIO = "@pytest.fixture\ndef anyio_backend(): return 'trio'\n"
RUNNERS = {
    "anyio": (ANYIO, "@pytest.mark.anyio", ""),
    "pytest-trio": ("", "@pytest.mark.trio", "trio"),
}


@pytest.fixture(scope="module", params=RUNNERS)
def leaky(request, projects):
    setup, mark, plugins = RUNNERS[request.param]
    tests = TESTS.format(setup=setup, mark=mark)
    return projects.run("--asyncfastapi-leaks=fail", plugins=plugins, app=APP, test_it=tests)


@pytest.mark.parametrize(
    ("title", "source", "activity"),
    [
        (r"task still running: mail\(\)", "spawn_system_task(mail)", "GET /task"),
        (r"coroutine never awaited: mail\(\)", "    mail()", "GET /coroutine"),
        ("httpx.AsyncClient not closed", "client = httpx", "GET /client"),
        (r"async generator not closed: feed\(\)", "async for item", "GET /generator"),
    ],
)
def test_each_kind_is_found(leaky, title, source, activity):
    told = leaky.finding(title)
    assert leaky.line("app.py", source) in told
    assert activity in told


def test_nurseries_and_threads_are_no_leak(leaky):
    assert "test_leak[sound]" not in leaky.output
    assert "4 findings that fail tests, 0 warnings" in leaky.output
