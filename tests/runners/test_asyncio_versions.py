"""pytest-asyncio of any version: `nox -s old_runners` runs this file with the old ones.

The projects here say a loop's scope as the version that is installed wants it.
"""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

VERSION = tuple(map(int, importlib.metadata.version("pytest-asyncio").split(".")[:2]))
MARK = "@pytest.mark.asyncio"
SCOPE_WORD = "scope" if VERSION < (0, 24) else "loop_scope"
OLD = VERSION < (1, 1)

APP = """
import asyncio
import time
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

seen = []

@asynccontextmanager
async def lifespan(app):
    app.state.loop = asyncio.get_running_loop()
    seen.append("start")
    yield
    assert asyncio.get_running_loop() is app.state.loop
    seen.append("stop")

app = FastAPI(lifespan=lifespan)

@app.get("/same")
async def same():
    return asyncio.get_running_loop() is app.state.loop

@app.get("/calls")
async def calls():
    async with httpx.AsyncClient(timeout=5) as client:
        return (await client.get("https://up.example/")).json()

@app.get("/blocks")
async def blocks():
    time.sleep(0.1)

@app.get("/sleeps")
async def sleeps():
    await asyncio.sleep(0.1)
"""

USES = """
import asyncio

import httpx
import pytest
import pytest_asyncio

from main import app, seen

@pytest_asyncio.fixture
async def product(asgi_client):
    yield (await asgi_client.get("/same")).json()

@pytest_asyncio.fixture
async def number():
    yield 7

{mark}
async def test_loop(asgi_client):
    assert asyncio.get_running_loop() is app.state.loop
    assert (await asgi_client.get("/same")).json() is True

{mark}
async def test_own_fixture_over_ours(product, number):
    assert (product, number) == (True, 7)

class TestMethods:
    {mark}
    @pytest.mark.parametrize("times", [1, 2])
    async def test_method(self, asgi_client, upstream, times):
        upstream.get("https://up.example/").respond(json=times)
        assert (await asgi_client.get("/calls")).json() == times

{mark}
async def test_virtual_time(asgi_client, upstream, faults, clock):
    upstream.get("https://up.example/").respond(json=1)
    faults.on("https://up.example/*").latency("30s")
    with pytest.raises(httpx.ReadTimeout):
        await asgi_client.get("/calls")
    assert clock.elapsed == 5.0

def test_each_run_of_the_app_has_ended():
    assert seen == ["start", "stop"] * 5
"""


def project(pytester: pytest.Pytester, tests: str, *ini: str, app: str = "main:app") -> None:
    scope = ["asyncio_default_fixture_loop_scope = function"] if VERSION >= (0, 24) else []
    pytester.makeini("\n".join(["[pytest]", f"asyncfastapi_app = {app}", *scope, *ini]))
    pytester.makepyfile(main=APP, test_it=tests)


def run(pytester: pytest.Pytester, *flags: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *flags)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_our_fixtures_run_in_the_loop_of_the_test(pytester: pytest.Pytester, mode: str) -> None:
    project(pytester, USES.format(mark=MARK if mode == "strict" else ""))
    run(pytester, f"--asyncio-mode={mode}").assert_outcomes(passed=6)


def wide(scope: str) -> tuple[str, str]:
    """A mark and the code before it, by which tests share one loop."""
    if VERSION >= (0, 23):
        return f'@pytest.mark.asyncio({SCOPE_WORD}="{scope}")', ""
    return MARK, (
        f'@pytest.fixture(scope="{scope}")\n'
        "def event_loop():\n"
        "    loop = asyncio.new_event_loop()\n"
        "    yield loop\n"
        "    loop.close()\n"
    )


@pytest.mark.parametrize("mode", ["strict", "auto"])
@pytest.mark.parametrize("app_scope", ["function", "module"])
@pytest.mark.parametrize("scope", ["module", "session"])
def test_a_loop_for_several_tests(
    pytester: pytest.Pytester, mode: str, app_scope: str, scope: str
) -> None:
    """The client is in the tests' common loop; the app may live there for all of them."""
    mark, before = wide(scope)
    project(
        pytester,
        f"import asyncio\nimport pytest\nfrom main import app, seen\n{before}"
        "loops = set()\n"
        '@pytest.mark.parametrize("number", range(3))\n'
        f"{mark}\n"
        "async def test_loop(asgi_client, number):\n"
        "    loops.add(asyncio.get_running_loop())\n"
        "    assert loops == {app.state.loop}\n"
        '    assert (await asgi_client.get("/same")).json() is True\n'
        "def test_starts():\n"
        f"    assert seen.count('start') == {3 if app_scope == 'function' else 1}\n",
        f"asyncfastapi_app_scope = {app_scope}",
    )
    pytester.makepyfile(
        test_last="from main import seen\ndef test_stops(): assert seen[-1] == 'stop'"
    )
    run(pytester, f"--asyncio-mode={mode}").assert_outcomes(passed=5)


def test_an_app_that_would_outlive_the_loop(pytester: pytest.Pytester) -> None:
    """One sentence, whose advice holds for the version that is installed."""
    project(
        pytester,
        f"import pytest\n{MARK}\nasync def test_it(asgi_client): pass",
        "asyncfastapi_app_scope = module",
    )
    result = run(pytester)
    result.assert_outcomes(errors=1)
    advice = "with pytest-asyncio 1.1 or newer, mark it" if OLD else "Fix: mark it"
    text = result.stdout.str()
    assert f'{advice} @pytest.mark.asyncio(loop_scope="module")' in text


def test_beside_tests_of_other_runners(pytester: pytest.Pytester) -> None:
    """In one run: pytest-asyncio's, one without a mark, and anyio's."""
    project(
        pytester,
        f"""
import asyncio
import pytest

{MARK}
async def test_marked(asgi_client):
    assert (await asgi_client.get("/same")).json() is True

async def test_unmarked(asgi_client):
    assert (await asgi_client.get("/same")).json() is True

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_of_anyio(asgi_client):
    assert (await asgi_client.get("/same")).json() is True

{MARK}
async def test_marked_again(asgi_client):
    assert (await asgi_client.get("/same")).json() is True
""",
    )
    run(pytester, "--asyncio-mode=strict").assert_outcomes(passed=4)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_tests_without_our_fixtures_are_left_alone(pytester: pytest.Pytester, mode: str) -> None:
    project(
        pytester,
        f"""
import asyncio
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def number():
    yield 7

{MARK}
async def test_async():
    await asyncio.sleep(0)

{MARK}
async def test_fixture(number):
    assert number == 7

{MARK}
async def test_fails():
    assert 1 == 2

def test_plain():
    pass
""",
    )
    result = run(pytester, f"--asyncio-mode={mode}")
    result.assert_outcomes(passed=3, failed=1)
    assert "pytest-asyncfastapi" not in result.stdout.str().partition("= FAILURES =")[2]


@pytest.mark.parametrize(("path", "findings"), [("/blocks", 1), ("/sleeps", 0)])
def test_the_guard_watches(pytester: pytest.Pytester, path: str, findings: int) -> None:
    project(
        pytester,
        f'import pytest\n{MARK}\nasync def test_it(asgi_client): await asgi_client.get("{path}")',
    )
    result = run(pytester)
    result.assert_outcomes(failed=findings, passed=1 - findings)
    found = result.stdout.str().count("FOUND blocking call: time.sleep")
    assert found == findings


# The shape of pytest-asyncio 0.21: the mark says whose a test is, one fixture gives the loop,
# and what async fixtures it has wrapped already it keeps in a set.
OLD_PLUGIN = """
import asyncio
import functools
import inspect

import pytest

_HOLDER = set()

def pytest_addoption(parser):
    parser.addoption("--asyncio-mode")
    parser.addini("asyncio_mode", "", default="strict")

def pytest_configure(config):
    config.addinivalue_line("markers", "asyncio: run in a loop")

def _in_loop(definition):
    function = definition.func
    def wrapped(LOOP, **arguments):
        generator = function(**arguments)
        yield LOOP.run_until_complete(anext(generator))
        LOOP.run_until_complete(generator.aclose())
    definition.func, definition.argnames = wrapped, (*definition.argnames, "LOOP")

@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    for asked in ("number", "asgi_client", "asgi_running"):
        for definition in collector.session._fixturemanager.getfixturedefs(asked, collector) or ():
            if inspect.isasyncgenfunction(definition.func) and definition not in _HOLDER:
                _HOLDER.add(definition)
                assert asked == "number", "not mine"
                _in_loop(definition)

def pytest_runtest_setup(item):
    if item.get_closest_marker("asyncio"):
        item.fixturenames.insert(0, "LOOP")

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if pyfuncitem.get_closest_marker("asyncio"):
        body, loop = pyfuncitem.obj, pyfuncitem.funcargs["LOOP"]
        pyfuncitem.obj = lambda **arguments: loop.run_until_complete(body(**arguments))

@pytest.fixture
def LOOP():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
"""

OF_OLD_PLUGIN = f"""
import asyncio
import pytest

@pytest.fixture
async def number():
    yield 7

{MARK}
async def test_of_theirs(number, LOOP):
    assert asyncio.get_running_loop() is LOOP
    assert number == 7

{MARK}
async def test_with_ours(asgi_client, number):
    assert (await asgi_client.get("/same")).json() is True
"""


def run_with_old_plugin(pytester: pytest.Pytester, loop_fixture: str) -> pytest.RunResult:
    """Run pytest with the above as the module `pytest_asyncio.plugin`."""
    (pytester.path / "pytest_asyncio").mkdir()
    (pytester.path / "pytest_asyncio" / "__init__.py").touch()
    plugin = OLD_PLUGIN.replace("LOOP", loop_fixture)
    (pytester.path / "pytest_asyncio" / "plugin.py").write_text(plugin)
    pytester.makeini("[pytest]\nasyncfastapi_app = main:app\nfilterwarnings = error")
    pytester.makepyfile(main=APP, test_it=OF_OLD_PLUGIN.replace("LOOP", loop_fixture))
    return pytester.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider")


def test_a_plugin_of_the_old_shape(pytester: pytest.Pytester) -> None:
    run_with_old_plugin(pytester, "event_loop").assert_outcomes(passed=2)


def test_a_plugin_of_unknown_shape(pytester: pytest.Pytester) -> None:
    """Its own tests run; one sentence for those that ask for our fixtures."""
    result = run_with_old_plugin(pytester, "another_name")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*::test_with_ours: *cannot find the event loop of this test*"])
    assert "Traceback" not in result.stdout.str()
