"""Rows N06 to N09 and N12 as a project meets them: a whole run of pytest under each runner."""

from __future__ import annotations

import pytest

INI = "[pytest]\nasyncfastapi_app = myapp:app\nasyncio_default_fixture_loop_scope = function\n"
RUNNERS = {
    "asyncio": ("", ""),
    "trio": ("", "@pytest.fixture\ndef anyio_backend(): return 'trio'\n"),
    "pytest-asyncio": ("asyncio_mode = auto\n", ""),
}
# Each lifespan goes wrong in one way; `wrong` is chosen by the test that is run.
APP = """
import anyio
from contextlib import asynccontextmanager
from fastapi import FastAPI

class Boom(Exception):
    pass

log = []

@asynccontextmanager
async def lifespan(app):
    {before}
    yield
    {after}

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def root(): return {{}}
"""


def run(
    pytester: pytest.Pytester,
    runner: str,
    tests: str,
    *flags: str,
    before: str = "pass",
    after: str = "pass",
) -> pytest.RunResult:
    """In a process of its own, ended from outside if it hangs."""
    ini, conftest = RUNNERS[runner]
    pytester.makeini(INI + ini)
    pytester.makeconftest("import pytest\n" + conftest)
    pytester.makepyfile(
        myapp=APP.format(before=before, after=after),
        test_it="import pytest, anyio\nimport myapp\n" + tests,
    )
    return pytester.runpytest_subprocess("-q", "-p", "no:randomly", *flags, timeout=60)


@pytest.mark.parametrize("runner", RUNNERS)
def test_N07_N09_a_start_up_that_fails(pytester: pytest.Pytester, runner: str) -> None:
    """The app's own exception, in no group."""
    result = run(
        pytester, runner, "async def test_a(asgi_client): pass", before="raise Boom('no disk')"
    )
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "Boom: no disk" in text
    assert "ExceptionGroup" not in text


@pytest.mark.parametrize("runner", RUNNERS)
def test_N07_a_start_up_that_hangs(pytester: pytest.Pytester, runner: str) -> None:
    """Bounded, under every runner; the run goes on with the next test."""
    tests = """
from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._app.lifespan import LifespanError

async def test_a(blocking):
    with pytest.raises(LifespanError, match="did not start within 50 ms"):
        async with open_app(myapp.app, startup_timeout=0.05):
            pass

async def test_b(blocking):
    pass
"""
    run(pytester, runner, tests, before="await anyio.sleep_forever()").assert_outcomes(passed=2)


@pytest.mark.parametrize("runner", RUNNERS)
def test_N08_the_shutdown_runs_after_a_failing_test(pytester: pytest.Pytester, runner: str) -> None:
    """And the test's own failure is what is reported."""
    tests = """
async def test_a(asgi_client):
    assert myapp.log == ["up"]
    assert False, "of the test"

async def test_b(blocking):
    assert myapp.log == ["up", "down"]
"""
    result = run(pytester, runner, tests, before="log.append('up')", after="log.append('down')")
    result.assert_outcomes(passed=1, failed=1)
    assert "of the test" in result.stdout.str()
    assert "ExceptionGroup" not in result.stdout.str()


@pytest.mark.parametrize("runner", RUNNERS)
def test_N06_N09_a_crash_while_serving_ends_the_run(pytester: pytest.Pytester, runner: str) -> None:
    """A worker of the lifespan dies: nothing hangs, the original exception is told."""
    before = """
    async def worker():
        await anyio.sleep(0.01)
        raise Boom("the worker died")

    async with anyio.create_task_group() as group:
        group.start_soon(worker)
        yield
        group.cancel_scope.cancel()
    return
"""
    tests = """
async def test_a(asgi_client):
    for _ in range(200):
        await asgi_client.get("/")
        await anyio.sleep(0.005)

async def test_b(blocking):
    pass
"""
    result = run(pytester, runner, tests, before=before.strip())
    text = result.stdout.str()
    assert "Boom: the worker died" in text
    assert result.parseoutcomes().get("passed") == 1, text
    assert "failed" in result.parseoutcomes()


@pytest.mark.parametrize("way", ["debug mode", "uvloop"])
@pytest.mark.parametrize("runner", ["asyncio", "pytest-asyncio"])
def test_N12_debug_mode_and_uvloop(
    pytester: pytest.Pytester, runner: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, streams that are left, sockets; the loop is the one that was asked for."""
    tests = """
import asyncio

async def test_a(asgi_client):
    loop = asyncio.get_running_loop()
    assert WANTED
    assert (await asgi_client.get("/")).json() == {}
    async with asgi_client.stream("GET", "/") as response:
        async for _ in response.aiter_raw():
            break
"""
    if way == "uvloop":
        pytest.importorskip("uvloop")
        tests = tests.replace("WANTED", 'type(loop).__module__.startswith("uvloop")')
        if runner == "asyncio":
            tests += (
                "\n@pytest.fixture\ndef anyio_backend():\n"
                "    return ('asyncio', {'use_uvloop': True})\n"
            )
        else:
            tests += (
                "\n@pytest.fixture(scope='session')\ndef event_loop_policy():\n"
                "    import uvloop\n    return uvloop.EventLoopPolicy()\n"
            )
    else:
        monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
        tests = tests.replace("WANTED", "loop.get_debug()")
    # pytest-asyncio has a switch of its own, which is off whatever the environment says.
    flags = ["--asyncio-debug"] if (runner, way) == ("pytest-asyncio", "debug mode") else []
    run(pytester, runner, tests, *flags).assert_outcomes(passed=1)
