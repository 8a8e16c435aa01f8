"""What will not end is ended, by the end of its test, and named: no run hangs for it."""

from __future__ import annotations

import pytest

APP = """
import asyncio, anyio, sys
from contextlib import asynccontextmanager
from fastapi import Depends, FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

running = []
kept = []

async def swallow(caught):
    running.append(1)
    try:
        while True:
            try:
                await anyio.sleep(1)
            except caught:
                pass
    finally:
        running.pop()

cancelled = asyncio.CancelledError
if "trio" in sys.modules:
    import trio
    cancelled = (asyncio.CancelledError, trio.Cancelled)

async def in_cleanup():
    try:
        yield 1
    finally:
        await swallow(cancelled)

@asynccontextmanager
async def lifespan(app):
    yield
    if app.state.hangs:
        await swallow(cancelled)

app = FastAPI(lifespan=lifespan)
app.state.hangs = False

@app.get("/handler")
async def handler():
    await swallow(cancelled)

@app.get("/dependency")
async def dependency(given: int = Depends(in_cleanup)):
    await anyio.sleep(3600)

@app.get("/group")
async def group():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(swallow, cancelled)

@app.get("/everything")
async def everything():
    await swallow(BaseException)

@app.get("/generator")
async def generator():
    items = in_cleanup()
    await anext(items)
    kept.append(items)

layered = FastAPI()

async def passed_on(request, call_next):
    return await call_next(request)

layered.add_middleware(BaseHTTPMiddleware, dispatch=passed_on)
layered.get("/layered")(handler)
app.mount("/under", layered)
"""

TESTS = """
import anyio, httpx, pytest
from app import app, running

{setup}

@pytest.fixture(autouse=True)
def nothing_runs_before():
    assert running == []

@pytest.mark.parametrize("path", {paths})
{mark}
async def test_left(asgi_client, path{clock}):
    with pytest.raises(httpx.ReadTimeout):
        await asgi_client.get(path, timeout=0.1)

{mark}
async def test_lifespan(asgi_client{clock}):
    app.state.hangs = True

{mark}
async def test_next(asgi_client):
    app.state.hangs = False
    assert running == []
"""

# A loop that never rests reaches its next timer in a tenth of the processor time.
CONFTEST = """
from pytest_asyncfastapi._clock import jump_policy
jump_policy._DOUBLED_EVERY = 0.05
"""

ANYIO = "@pytest.fixture\ndef anyio_backend(): return {!r}\n"
NO_ASYNCIO = ("-p", "no:asyncio", "-p", "no:trio")
RUNNERS = {
    "anyio": (ANYIO.format("asyncio"), "@pytest.mark.anyio", NO_ASYNCIO),
    "anyio on trio": (ANYIO.format("trio"), "@pytest.mark.anyio", NO_ASYNCIO),
    "pytest-asyncio": ("", "@pytest.mark.asyncio", ()),
    "pytest-asyncio, one loop": ("", '@pytest.mark.asyncio(loop_scope="module")', ()),
    "pytest-trio": ("", "@pytest.mark.trio", ("-p", "no:asyncio")),
}
PATHS = {
    "anyio": ["/handler", "/dependency", "/under/layered"],
    "anyio on trio": ["/handler"],
    "pytest-asyncio": ["/dependency"],
    "pytest-asyncio, one loop": ["/handler", "/group"],
    "pytest-trio": ["/group"],
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_app_that_will_not_stop_is_ended_with_its_test(projects, runner):
    """Said by the error of the request; the next test never meets it."""
    setup, mark, flags = RUNNERS[runner]
    paths = PATHS[runner]
    tests = TESTS.format(setup=setup, mark=mark, paths=paths, clock=", clock")
    plugins = "trio" if runner == "pytest-trio" else "asyncio"
    report = projects.run(*flags, plugins=plugins, app=APP, test_it=tests, conftest=CONFTEST)
    told = report.output
    for path in paths:
        assert f"GET {path}: the app still runs after the client had left" in told
    assert "the app's lifespan did not shut down within" in told
    # pytest-trio tears fixtures down inside of the test.
    late = runner == "pytest-trio"
    report.outcome(failed=len(paths) + late, passed=2 - late, errors=1 - late)


def test_in_real_time_it_takes_the_patience_of_the_client_and_no_longer(projects):
    """Without virtual time: three cancellations, a second each."""
    setup, mark, flags = RUNNERS["pytest-asyncio"]
    tests = TESTS.format(setup=setup, mark=mark, paths=["/handler"], clock="")
    tests = tests.partition(f"{mark}\nasync def test_lifespan")[0]
    report = projects.run(*flags, app=APP, test_it=tests)
    report.outcome(failed=1)


@pytest.mark.parametrize("flags", [(), ("--asyncfastapi-leaks=off",)])
def test_what_is_left_on_the_loop_is_ended_before_it_closes(projects, flags):
    """A generator that hangs in its cleanup, and what catches everything, are left behind."""
    tests = """
import asyncio, httpx, pytest
from app import app, swallow, cancelled

async def test_generator(asgi_client, clock):
    await asgi_client.get("/generator")

async def test_everything(asgi_client, clock):
    with pytest.raises(httpx.ReadTimeout):
        await asgi_client.get("/everything", timeout=0.1)

async def test_of_a_library(asgi_client, clock):
    asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(swallow(cancelled)))
    await asyncio.sleep(0.01)

async def test_next(asgi_client):
    pass
"""
    report = projects.run(*flags, "--asyncfastapi-blocking=off", app=APP, test_it=tests)
    report.outcome(failed=1, passed=3)
    told = report.output
    if not flags:
        assert "async generator not closed: in_cleanup() is left in the middle" in told
        assert "task cannot be cancelled: in_cleanup() goes on after 3 cancellations" in told
    assert "Exception ignored" not in told
