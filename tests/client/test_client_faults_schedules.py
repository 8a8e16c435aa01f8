"""`faults.client` with schedules that ask for the time, or for what is in flight."""

from __future__ import annotations

from time import monotonic
from typing import Any

import anyio
import pytest
from apps import BODY, START, answering

from pytest_asyncfastapi._faults import Faults


@pytest.fixture
def http(request: pytest.FixtureRequest) -> Any:
    """One library is enough: what decides knows none."""
    import httpx

    return httpx


async def outcome(client: Any, http: Any, url: str = "/") -> str:
    """Does the client stay?"""
    try:
        return "stayed" if (await client.get(url)).status_code == 200 else "?"
    except http.ReadError:
        return "left"


async def test_concurrency_strikes_the_ones_beyond(faulty: Any, faults: Faults, http: Any) -> None:
    """Two at once are too many; what has ended counts no more, struck or not."""
    held = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/held":
            await held.wait()
        await send(START)
        await send(BODY)

    rule = faults.client.disconnect(at="start").concurrency(1)
    found: list[str] = []

    async def hold(client: Any) -> None:
        found.append(await outcome(client, http, "/held"))

    async with faulty(app) as client:
        assert await outcome(client, http) == "stayed"
        async with anyio.create_task_group() as group:
            group.start_soon(hold, client)
            await anyio.wait_all_tasks_blocked()
            assert await outcome(client, http) == "left"
            assert await outcome(client, http) == "left"
            held.set()
        assert found == ["stayed"]
        assert await outcome(client, http) == "stayed"
    assert (rule.seen, rule.hits) == (5, 2)


async def test_concurrency_counts_sockets_too(faulty: Any, faults: Faults, http: Any) -> None:
    """As long as they are open."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            return await answering()(scope, receive, send)
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    faults.client.disconnect(at="start").concurrency(1)
    async with faulty(app) as client:
        async with client.websocket("/"):
            assert await outcome(client, http) == "left"
        assert await outcome(client, http) == "stayed"


async def test_a_window_of_time(faulty: Any, faults: Faults, http: Any) -> None:
    """`between`: not before it begins."""
    faults.client.disconnect(at="start").between("100s", "200s").optional()
    rule = faults.client.disconnect(at="start").between("50ms", "100s")
    async with faulty(answering()) as client:
        began = monotonic()
        seen = [await outcome(client, http)]
        late = monotonic() - began > 0.05  # on a busy machine
        while seen[-1] == "stayed":
            await anyio.sleep(0.01)
            seen.append(await outcome(client, http))
    assert rule.hits == 1
    assert len(seen) > 1 or late


SCHEDULES = """
import asyncio
import httpx
import pytest

async def outcomes(client, *pauses):
    seen = ""
    for pause in pauses:
        await asyncio.sleep(pause)
        try:
            await client.get("/")
            seen += "."
        except httpx.ReadError:
            seen += "x"
    return seen

async def test_between(asgi_client, faults, clock):
    faults.client.disconnect(at="start").between("10s", "20s")
    assert await outcomes(asgi_client, 0, 9, 2, 7, 3) == "..xx."

async def test_flapping(asgi_client, faults, clock):
    faults.client.disconnect(at="start").flapping("10s", "20s")
    assert await outcomes(asgi_client, 1, 10, 10, 10, 10) == "x..x."

async def test_ramp(asgi_client, faults, clock):
    faults.client.disconnect(at="start").ramp("10s")
    assert (await outcomes(asgi_client, 11, 1, 1)) == "xxx"

async def test_quota(asgi_client, faults, clock):
    faults.client.disconnect(at="start").quota(2, "60s")
    assert await outcomes(asgi_client, 0, 1, 1, 1, 60, 1, 1) == "..xx..x"

async def test_with_a_clock_that_the_fault_starts(asgi_client, faults):
    faults.client.slow_reader(delay="40s").between("30s", "50s")
    began = asyncio.get_running_loop().time()
    assert (await outcomes(asgi_client, 10, 25)) == ".."
    assert asyncio.get_running_loop().time() - began >= 75
"""


def test_schedules_in_virtual_time(pytester: pytest.Pytester) -> None:
    """Seconds since the test began, on the clock in force."""
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = myapp:app\nasyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makepyfile(
        myapp="""
        from fastapi import FastAPI
        app = FastAPI()

        @app.get("/")
        async def root(): return {}
        """,
        test_it=SCHEDULES,
    )
    pytester.runpytest("-q", "-p", "no:randomly").assert_outcomes(passed=5)
