"""`explore_schedules()` inside tests: with our fixtures, under every runner."""

from __future__ import annotations

import pytest

APP = """
import asyncio

import httpx
import pytest
from fastapi import FastAPI

from pytest_asyncfastapi import ScheduleFailure, explore_schedules, open_app

app = FastAPI()
box = {}


@app.post("/short")
async def short():
    apples = box["apples"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    box["apples"] = apples + 1


@app.post("/long")
async def long():
    for _ in range(4):
        await asyncio.sleep(0)
    await short()


@app.get("/rates")
async def rates():
    async with httpx.AsyncClient(timeout=60) as client:
        return (await client.get("https://rates.example/")).json()


@pytest.fixture
def asgi_app():
    return app
"""

BODY = """
async def test_it(asgi_client):
    async def scenario():
        box["apples"] = 0
        await asyncio.gather(asgi_client.post("/short"), asgi_client.post("/long"))
        return box["apples"]

    with pytest.raises(ScheduleFailure) as caught:
        await explore_schedules(scenario, invariant=lambda apples: apples == 2)
    assert "InvariantBroken" in str(caught.value)
    assert "POST /short" in caught.value.interleaving
"""


@pytest.mark.parametrize("runner", ["anyio", "asyncio strict", "asyncio auto"])
def test_with_the_client_of_the_test(pytester: pytest.Pytester, runner: str) -> None:
    """The app runs on, the schedule is put on the loop that runs."""
    mode = "auto" if runner.endswith("auto") else "strict"
    pytester.makeini(
        f"[pytest]\nasyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n"
    )
    mark = "@pytest.mark.asyncio\n" if runner.endswith("strict") else ""
    pytester.makepyfile(APP + "\n\n" + mark + BODY.lstrip())
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_on_trio_one_sentence(pytester: pytest.Pytester) -> None:
    """It is refused before anything has run."""
    pytester.makepyfile(
        APP
        + """

@pytest.fixture
def anyio_backend():
    return "trio"


async def test_it(asgi_client):
    await explore_schedules(lambda: None)
"""
    )
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*explore_schedules() needs a test on asyncio*"])


def test_delays_are_drawn_from_the_seed(pytester: pytest.Pytester) -> None:
    """Rules begin again for every schedule: their draws by its seed, their counts at zero."""
    pytester.makepyfile(
        APP
        + """

async def test_it(asgi_client, upstream, faults, clock):
    upstream.get("https://rates.example/").respond(json=[1])
    faults.on("https://rates.example/").latency("uniform(1s, 9s)")

    async def scenario():
        began = clock.time()
        await asgi_client.get("/rates", timeout=60)
        took.append(round(clock.time() - began, 6))

    runs = []
    for _ in range(2):
        took = []
        await explore_schedules(scenario, seeds=5)
        runs.append(took)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 5  # the ordinary order comes first, with the draws of seed 0
    assert all(1 <= one <= 9 for one in runs[0])
"""
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_the_count_of_a_fault_begins_again(pytester: pytest.Pytester) -> None:
    """`first(1)` is the first call of every schedule, not of the test."""
    pytester.makepyfile(
        APP
        + """

async def test_it(asgi_client, upstream, faults):
    upstream.get("https://rates.example/").respond(json=[1])
    faults.on("https://rates.example/").refused().first(1)

    async def scenario():
        with pytest.raises(httpx.ConnectError):
            await asgi_client.get("/rates")
        assert (await asgi_client.get("/rates")).json() == [1]

    assert (await explore_schedules(scenario, seeds=5)).schedules == 6
"""
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_a_test_that_explores_by_itself_does_so_under_the_flag_too(
    pytester: pytest.Pytester,
) -> None:
    """It is not run in other orders: what it looks for is found, once."""
    pytester.makepyfile(
        APP
        + """
from pytest_asyncfastapi import explore_together

runs = []


async def test_it(asgi_client):
    runs.append(1)

    async def scenario():
        box["apples"] = 0
        await asyncio.gather(asgi_client.post("/short"), asgi_client.post("/long"))
        assert box["apples"] == 2

    with pytest.raises(ScheduleFailure):
        await explore_schedules(scenario)
    with pytest.raises(ScheduleFailure):
        await explore_together(
            lambda: asgi_client.post("/short"),
            lambda: asgi_client.post("/long"),
            observe=lambda: box["apples"],
            reset=lambda: box.update(apples=0),
        )
    assert len(runs) == 1
"""
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:asyncio", "--asyncfastapi-schedules=3")
    result.assert_outcomes(passed=1)
