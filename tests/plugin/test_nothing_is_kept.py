"""pytest keeps its items to the end of the run; what a test has used is gone with the test."""

from __future__ import annotations

import pytest

APP = """
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=5) as app.state.http:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/price")
async def price():
    try:
        return (await app.state.http.get("https://rates.example/now")).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        raise HTTPException(502) from None
"""
TESTS = """
import asyncio
import gc
import sys
import weakref

import pytest

seen = []


@pytest.fixture
def anyio_backend():
    return "{backend}"


def running_task():
    try:
        return asyncio.current_task()
    except RuntimeError:
        return sys.modules["trio"].lowlevel.current_task()


@pytest.mark.parametrize("n", range(3))
async def test_price(asgi_client, upstream, faults, n):
    seen.extend(map(weakref.ref, (asgi_client, upstream, running_task())))
    upstream.get("https://rates.example/now").respond(json={{"n": n}})
    faults.on("https://rates.example/*").latency("200ms")
    assert (await asgi_client.get("/price")).json() == {{"n": n}}


def test_nothing_of_them_is_left():
    gc.collect()
    assert len(seen) >= 3
    assert [thing() for thing in seen if thing() is not None] == []
"""


@pytest.mark.parametrize("flags", [(), ("--asyncfastapi-json=report.json", "--junitxml=j.xml")])
@pytest.mark.parametrize("runner", ["asyncio", "trio", "pytest-asyncio"])
def test_of_a_test_that_is_over(
    pytester: pytest.Pytester, runner: str, flags: tuple[str, ...]
) -> None:
    """Its client, its upstream and its tasks, with all that these lead to."""
    backend = "trio" if runner == "trio" else "asyncio"
    pytester.makepyfile(app=APP, test_it=TESTS.format(backend=backend))
    mode = "asyncio_mode = auto\n" if runner == "pytest-asyncio" else ""
    pytester.makeini(f"[pytest]\nasyncfastapi_app = app:app\n{mode}")
    result = pytester.runpytest(*flags)
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("sweep", ["fault_sweep", "disconnect_sweep", "schedules(3)"])
def test_of_an_explored_test(pytester: pytest.Pytester, sweep: str) -> None:
    """Nor of the many runs of a sweep. Not in this process: its recorder of hooks keeps them."""
    tests = TESTS.format(backend="asyncio").replace("range(3)", "range(2)")
    marked = tests.replace("async def test_price", f"@pytest.mark.{sweep}\nasync def test_price")
    pytester.makepyfile(app=APP, test_it=marked)
    pytester.makeini("[pytest]\nasyncfastapi_app = app:app\n")
    result = pytester.runpytest_subprocess("--asyncfastapi-json=report.json")
    result.assert_outcomes(passed=3)


def test_a_test_leaves_no_reference_cycle(pytester: pytest.Pytester) -> None:
    """What it had is gone at once: in a large suite, the collector has less to do."""
    pytester.makeconftest(
        """
        import gc
        from pytest_asyncfastapi._blocking.guard import BlockingGuard
        from pytest_asyncfastapi._concurrency.leak_detector import LeakDetector
        from pytest_asyncfastapi._plugin.feature import Feature
        from pytest_asyncfastapi._plugin.state import TestState

        def count():
            kinds = (TestState, Feature, BlockingGuard, LeakDetector)
            return sum(isinstance(each, kinds) for each in gc.get_objects())

        def pytest_runtestloop(session):
            gc.collect()
            gc.disable()
            session.config.before = count()

        def pytest_sessionfinish(session):
            more = count() - session.config.before
            gc.enable()
            print("more than before:", more)
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(20))
        def test_plain(number):
            pass
        """
    )
    result = pytester.runpytest("-s", "--asyncfastapi-blocking=fail", "-p", "no:randomly")
    result.assert_outcomes(passed=20)
    result.stdout.fnmatch_lines(["*more than before: 0"])
