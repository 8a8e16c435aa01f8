"""The deadline of a test: it ends, and says who waits where."""

from __future__ import annotations

import sys

import pytest

APP = """
import anyio
from fastapi import FastAPI

app = FastAPI()

async def supplier():
    await anyio.sleep_forever()

@app.get("/hang")
async def hang():
    async with anyio.create_task_group() as group:
        group.start_soon(supplier)
"""

TESTS = """
import asyncio, time
import anyio, pytest

{setup}

{mark}
async def test_hanging_endpoint(asgi_client):
    await asgi_client.get("/hang")

{mark}
async def test_in_time(asgi_client):
    await anyio.sleep(0)

{mark}
async def test_stubborn(monkeypatch):
    while True:
        try:
            await anyio.sleep(3600)
        except BaseException:
            # It has been heard; how long each further attempt waits is not what this is about.
            monkeypatch.setattr("pytest_asyncfastapi._concurrency.deadline._GRACE", 0.1)

{mark}
async def test_ends_late():
    try:
        await anyio.sleep(3600)
    except BaseException:
        return

{mark}
@pytest.mark.asyncfastapi(blocking="off")
async def test_spins():
    while True:
        time.sleep(0.001)
"""

ANYIO = "@pytest.fixture\ndef anyio_backend(): return {!r}\n"
RUNNERS = {
    "anyio": (ANYIO.format("asyncio"), "@pytest.mark.anyio", ""),
    "anyio on trio": (ANYIO.format("trio"), "@pytest.mark.anyio", ""),
    "pytest-asyncio": ("", "@pytest.mark.asyncio", "asyncio"),
    "pytest-trio": ("", "@pytest.mark.trio", "trio"),
    "virtual time": (
        "@pytest.fixture(autouse=True)\ndef in_virtual_time(clock): pass\n",
        "@pytest.mark.asyncio",
        "asyncio",
    ),
    "pytest-timeout": ("", "@pytest.mark.asyncio", "asyncio timeout"),
}


@pytest.fixture(scope="module", params=RUNNERS)
def late(request, projects):
    setup, mark, plugins = RUNNERS[request.param]
    flags = ["--asyncfastapi-timeout=0.3", "--asyncfastapi-leaks=warn"]
    flags += ["--timeout=60"] if "timeout" in plugins else []
    tests = TESTS.format(setup=setup, mark=mark)
    if request.param == "virtual time":
        # Nothing is left to happen there is a deadlock, and said at once.
        tests = tests.replace("sleep(3600)", "to_thread.run_sync(__import__('time').sleep, 1.5)")
    report = projects.run(*flags, plugins=plugins, app=APP, test_it=tests)
    report.name = request.param
    return report


def test_all_late_tests_fail_and_the_run_ends(late):
    late.outcome(failed=4, passed=1)
    assert "test_in_time" not in late.output


def test_the_await_chain_of_every_task_is_told(late):
    """Body, request, and the task of the request that waits, with who created it."""
    if late.name == "virtual time":
        assert "Deadlock at virtual time" in late.output
        return
    told = late.output.partition("test_hanging_endpoint _")[2].partition("____")[2]
    told = told.partition("\n____")[0]
    assert "test_hanging_endpoint: the test's body did not end within 300 ms" in told
    for file, source in (
        ("test_it.py", 'asgi_client.get("/hang")'),
        ("app.py", "sleep_forever()"),
        ("app.py", "create_task_group()"),
    ):
        assert late.line(file, source) in told
    created = late.line("app.py", "start_soon(supplier)")
    assert f"created at {created}, in hang (GET /hang)" in told
    assert "Fix: give the wait a timeout of its own" in told


def test_a_body_that_swallows_its_cancellation_ends_too(late):
    assert "test_stubborn: the test's body did not end within 300 ms" in late.output
    assert "test_ends_late: the test's body did not end within 300 ms" in late.output


def test_a_loop_that_is_blocked_is_shown_and_interrupted(late):
    """Told past the capture too, for whoever has to kill the process."""
    assert late.output.count("and its event loop is blocked: no await is reached") >= 2
    assert 'test_it.py", line' in late.output
    outside = "its tasks can be seen from outside: python -m asyncio pstree "
    has_it = sys.version_info >= (3, 14) and "trio" not in late.name
    assert late.output.count(outside) == has_it


@pytest.mark.asyncfastapi(timeout="60s")
async def test_a_deadline_is_invisible_to_a_test_in_time():
    """Values, exceptions and cancellation pass through it."""
    import asyncio

    async def value():
        await asyncio.sleep(0)
        return 1

    assert await value() == 1
    with pytest.raises(ZeroDivisionError):
        await asyncio.gather(value(), asyncio.to_thread(lambda: 1 / 0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(10)


def test_a_duration_that_is_none_is_refused(projects):
    report = projects.run("--asyncfastapi-timeout=soon", app=APP, test_it="")
    assert "--asyncfastapi-timeout: 'soon' is not a duration: write '50ms'" in report.output
