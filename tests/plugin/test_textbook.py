"""The textbook cases, as users write them: what must be found, and what must not."""

from __future__ import annotations

import time

import pytest

APP = """
import asyncio, time
import anyio, httpx
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.get("/delayed")
async def delayed():
    async with httpx.AsyncClient(timeout=5) as client:
        return (await client.get("https://slow.example/delay/1")).json()

@app.get("/sleepy")
async def sleepy():
    time.sleep(3 / 100)
    return {}

@app.get("/pool")
def pool():
    time.sleep(3 / 100)
    return {}

@app.get("/executor")
async def executor():
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, time.sleep, 3 / 100)
    await anyio.to_thread.run_sync(time.sleep, 3 / 100)
    await asyncio.to_thread(time.sleep, 3 / 100)
    return {}

@app.get("/fan-out")
async def fan_out():
    async with httpx.AsyncClient(timeout=5) as client:
        answers = await asyncio.gather(
            *(client.get(f"https://slow.example/{n}") for n in range(10))
        )
    return [answer.status_code for answer in answers]

@app.get("/bounded")
async def bounded():
    async with httpx.AsyncClient(timeout=None) as client:
        try:
            await asyncio.wait_for(client.get("https://slow.example/"), 2)
        except TimeoutError:
            raise HTTPException(504)

@app.get("/swallow")
async def swallow():
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            await client.get("https://metrics.example/hit")
    except Exception:
        pass
    return {}

@app.get("/no-timeout")
async def no_timeout():
    async with httpx.AsyncClient(timeout=None) as client:
        try:
            await client.get("https://slow.example/")
        except Exception:
            pass
    return {}
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with the app above; its tests are written by each test here."""
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = shopapp:app\nfilterwarnings = error\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makepyfile(shopapp=APP)
    return pytester


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(APP.strip().splitlines(), 1) if text in line)


def test_a_delayed_upstream_needs_no_network(project: pytest.Pytester) -> None:
    """`httpx.AsyncClient(timeout=5).get(".../delay/1")` is answered by a route."""
    project.makepyfile(
        """
        async def test_delay(asgi_client, upstream):
            upstream.get("https://slow.example/delay/1").respond(json={"late": True})
            assert (await asgi_client.get("/delayed")).json() == {"late": True}
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_time_sleep_in_a_coroutine_is_found_with_its_line(project: pytest.Pytester) -> None:
    """File, line, endpoint, test, cause and remedy, though the test itself passes."""
    project.makepyfile(
        test_it="""
        async def test_sleepy(asgi_client):
            assert (await asgi_client.get("/sleepy")).status_code == 200
        """
    )
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "pytest-asyncfastapi: 1 finding; the test's own assertions passed",
            "blocking call: time.sleep* held the event loop for * ms",
            f"  where     shopapp.py:{line_of('def sleepy') + 1}, in sleepy",
            "              time.sleep(3 / 100)",
            "  in        GET /sleepy",
            "  fix       *await anyio.sleep(*",
            "  intended? *",
            "*= pytest-asyncfastapi =*",
            "FOUND blocking call: time.sleep*",
            "*seen in test_it.py::test_sleepy",
        ]
    )


def test_the_thread_pool_is_no_finding(project: pytest.Pytester) -> None:
    """A `def` endpoint, `run_in_executor`, `to_thread` of anyio and asyncio: all are clean."""
    project.makepyfile(
        """
        async def test_threads(asgi_client, blocking):
            assert (await asgi_client.get("/pool")).status_code == 200
            assert (await asgi_client.get("/executor")).status_code == 200
            blocking.assert_none()
        """
    )
    result = project.runpytest("--asyncfastapi-blocking-profile=strict")
    result.assert_outcomes(passed=1)


def test_fan_out_is_concurrent_in_virtual_time(project: pytest.Pytester) -> None:
    """Ten upstream calls of 1 s take 1.0 s on the clock."""
    project.makepyfile(
        """
        async def test_fan_out(asgi_client, upstream, faults, clock):
            upstream.get(url__regex=r"https://slow.example/\\d+").respond(204)
            faults.on("https://slow.example/*").latency("1s")
            assert (await asgi_client.get("/fan-out")).json() == [204] * 10
            assert clock.elapsed == 1.0
            assert upstream.peak_in_flight == 10
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_wait_for_fires_in_virtual_time(project: pytest.Pytester) -> None:
    """A 30 s upstream under `wait_for(..., 2)` is a 504 at virtual 2.0 s, at once in real time."""
    project.makepyfile(
        """
        async def test_504(asgi_client, upstream, faults, clock):
            upstream.get("https://slow.example/").respond(json={})
            faults.on("https://slow.example/*").latency("30s")
            assert (await asgi_client.get("/bounded")).status_code == 504
            assert clock.elapsed == 2.0
            # Not one of them was waited for; how long it took is measured in benchmarks/.
            assert clock.real_waited < 2.0
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_a_swallowed_unrouted_call_fails_the_test(project: pytest.Pytester) -> None:
    """`except Exception: pass` hides nothing."""
    project.makepyfile(
        """
        async def test_swallow(asgi_client, upstream):
            assert (await asgi_client.get("/swallow")).status_code == 200
        """
    )
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "https://metrics.example/hit" in text
    assert f"shopapp.py:{line_of('metrics.example')}" in text
    assert 'upstream.get("https://metrics.example/hit")' in text


def test_a_missing_timeout_is_said_and_does_not_hang(project: pytest.Pytester) -> None:
    """A stalled call without a budget would hang forever: the line is named."""
    project.makepyfile(
        """
        async def test_stall(asgi_client, upstream, faults):
            faults.on("https://slow.example/*").read_timeout()
            assert (await asgi_client.get("/no-timeout")).status_code == 200
        """
    )
    began = time.monotonic()
    result = project.runpytest()
    assert time.monotonic() - began < 30
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "no read timeout is set on GET https://slow.example/: it would never end" in text
    assert f"shopapp.py:{line_of('def no_timeout') + 3}" in text


def test_pytest_asyncio_tests_run_as_they_are(project: pytest.Pytester) -> None:
    """A suite written for pytest-asyncio, with its own client, is left alone."""
    project.makepyfile(
        """
        import httpx, pytest
        from shopapp import app

        @pytest.mark.asyncio
        async def test_mine():
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                assert (await client.get("/sleepy")).status_code == 200
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_faults_by_marker_and_by_flag(project: pytest.Pytester) -> None:
    """The same grammar on a test, and over a whole suite."""
    project.makepyfile(
        """
        import pytest, httpx

        @pytest.mark.faults("https://slow.example/*: read_timeout, first=1")
        async def test_marked(asgi_client, upstream, clock):
            upstream.get("https://slow.example/delay/1").respond(json=1)
            with pytest.raises(httpx.ReadTimeout):
                await asgi_client.get("/delayed")
            assert clock.elapsed == 5.0
            assert (await asgi_client.get("/delayed")).json() == 1

        async def test_plain(asgi_client, upstream):
            upstream.get("https://slow.example/delay/1").respond(json=1)
            assert (await asgi_client.get("/delayed")).json() == 1
        """
    )
    project.runpytest().assert_outcomes(passed=2)
    result = project.runpytest(
        "-k", "plain", "--asyncfastapi-fault=https://slow.example/*: refused"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ConnectError*"])
