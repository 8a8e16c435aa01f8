"""The thread pools: how much of them a test used, who waited, for how long."""

from __future__ import annotations

import asyncio
import re
import threading

import anyio
import anyio.to_thread
import pytest

from pytest_asyncfastapi._concurrency.thread_pool import EXECUTOR, LIMITER
from pytest_asyncfastapi._concurrency.thread_report import PoolReport

BACKENDS = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])


async def many(function, n: int) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(n):
            group.start_soon(function)


@BACKENDS
async def test_calls_that_find_a_thread_are_counted(threads, anyio_backend):
    """Three at a time, all of them in a thread at once: nobody waits."""
    together = threading.Barrier(3)
    await many(lambda: anyio.to_thread.run_sync(together.wait), 3)
    (pool,) = threads.pools
    assert (pool.name, pool.size, pool.calls, pool.peak, pool.queued) == (LIMITER, 40, 3, 3, 0)
    threads.assert_not_exhausted()


@BACKENDS
@pytest.mark.asyncfastapi(threads="off")
async def test_calls_that_wait_are_named(threads, anyio_backend):
    """One thread for three calls: two wait, and the longest wait is that of the last."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = 1
    await many(lambda: anyio.to_thread.run_sync(threading.Event().wait, 0.01), 3)
    (pool,) = threads.pools
    assert (pool.peak, pool.queued, pool.longest_queue) == (1, 2, 2)
    assert pool.longest_wait == threads.longest_wait >= 0.015
    assert pool.waiters == {"the test's own body": 2}
    with pytest.raises(AssertionError, match="the thread pool was exhausted: thread limiter: 1 of"):
        threads.assert_not_exhausted()


@BACKENDS
async def test_a_limiter_of_the_users_own_is_no_thread_pool(threads, anyio_backend):
    """It bounds whatever they like."""
    limiter = anyio.CapacityLimiter(1)

    async def hold() -> None:
        async with limiter:
            await anyio.sleep(0)

    await many(hold, 3)
    assert threads.pools == ()


@pytest.mark.asyncfastapi(threads="off")
async def test_the_default_executor_is_counted_too(threads):
    """Behind asyncio.to_thread; a job that was cancelled in the queue needs no thread."""
    loop = asyncio.get_running_loop()
    from concurrent.futures import ThreadPoolExecutor

    loop.set_default_executor(ThreadPoolExecutor(2))
    go_on = threading.Event()
    jobs = [asyncio.ensure_future(asyncio.to_thread(go_on.wait, 5)) for _ in range(4)]
    await asyncio.sleep(0)
    jobs[3].cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*jobs[:3])
    await asyncio.to_thread(len, "x")
    (pool,) = threads.pools
    assert (pool.name, pool.size, pool.calls, pool.peak) == (EXECUTOR, 2, 5, 2)
    assert pool.queued == 2
    assert pool.longest_wait > 0
    await loop.shutdown_default_executor()


APP = """
import time
from fastapi import FastAPI
app = FastAPI()

@app.get("/report")
def report():
    time.sleep(0.005)
    return {}
"""
TESTS = """
import anyio, pytest

{mark}
async def test_it(asgi_client):
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(asgi_client.get, "/report")
"""


def test_exhaustion_is_a_warning_that_names_the_endpoint(projects):
    """And a marker turns it off."""
    off = TESTS.format(mark='@pytest.mark.asyncfastapi(threads="off")')
    report = projects.run(app=APP, test_it=TESTS.format(mark=""), test_off=off)
    report.outcome(passed=2)
    told = "warn  thread pool exhausted: 10 calls waited for one of the 40 threads"
    assert report.output.count(told) == report.output.count("exhausted") == 1
    assert re.search(r"app\.py:\d+  def report\(\):", report.output)
    assert "in GET /report" in report.output


def test_exhaustion_fails_when_asked(projects):
    report = projects.run("--asyncfastapi-threads=fail", app=APP, test_it=TESTS.format(mark=""))
    report.outcome(failed=1)
    told = report.finding("thread pool exhausted: 10 calls waited")
    assert "total_tokens" in told


PLACES = """
import asyncio, functools, time, pytest
import anyio, anyio.to_thread
from concurrent.futures import ThreadPoolExecutor

def dependency_body():
    time.sleep(0.001)

async def ask_anyio():
    await anyio.to_thread.run_sync(time.sleep, 0.001)

async def ask_asyncio():
    await asyncio.to_thread(time.sleep, 0.001)

CALLS = {
    "anyio": lambda client: anyio.to_thread.run_sync(dependency_body),
    "asyncio": lambda client: asyncio.to_thread(dependency_body),
    "partial": lambda client: anyio.to_thread.run_sync(functools.partial(dependency_body)),
    "library_in_anyio": lambda client: ask_anyio(),
    "library_in_asyncio": lambda client: ask_asyncio(),
    "dependency": lambda client: client.get("/given"),
}

@pytest.mark.asyncfastapi(threads="fail")
@pytest.mark.parametrize("how", CALLS)
async def test_it(asgi_client, how):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 1
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(CALLS[how], asgi_client)
"""


@pytest.fixture(scope="module")
def exhausted(projects):
    app = APP + (
        "\nfrom fastapi import Depends\n"
        "def given():\n    time.sleep(0.001)\n    yield 1\n"
        "@app.get('/given')\nasync def read(one=Depends(given)): return {}\n"
    )
    report = projects.run(app=app, test_it=PLACES)
    report.outcome(failed=6)
    return dict(re.findall(r"^_+ test_it\[(\w+)\] _+\n((?:.*\n)*?)(?=__|==)", report.output, re.M))


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ("anyio", "def dependency_body():"),
        ("asyncio", "def dependency_body():"),
        ("partial", "def dependency_body():"),
        ("library_in_anyio", "await anyio.to_thread.run_sync(time.sleep, 0.001)"),
        ("library_in_asyncio", "await asyncio.to_thread(time.sleep, 0.001)"),
        ("dependency", "def given():"),
    ],
)
def test_exhaustion_names_the_line(exhausted, how, shown):
    """The function that is to run in the thread; for a library's, the line that asked."""
    assert shown in exhausted[how].partition("thread pool exhausted")[2]


def test_a_report_names_three_requests_and_counts_the_others():
    """Fifty different paths are no list to read."""
    waiters = {"GET /a": 1, "GET /b": 5, "GET /c": 1, "GET /d": 1, "GET /e": 2}
    text = str(PoolReport(LIMITER, 40, 50, 40, 10, 10, 0.5, waiters))
    assert text.endswith("(GET /b x 5, GET /e x 2, GET /a x 1 and 2 more)")
