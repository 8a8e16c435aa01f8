"""Rows N: what only shows under the runners, across tests, loops and configurations."""

from __future__ import annotations

import sys
from functools import partial

import anyio
import pytest
from apps import answering

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._client.errors import LoopMismatch
from pytest_asyncfastapi._client.transport import AsgiTransportCore
from pytest_asyncfastapi._plugin.open_app import client_class

APP = """
import contextvars
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

VAR = contextvars.ContextVar("VAR", default="unset")
log = []

@asynccontextmanager
async def lifespan(app):
    log.append("up")
    yield
    log.append("down")

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def root():
    seen = VAR.get()
    VAR.set("set by the app")
    return {"ups": log.count("up"), "var": seen}

@app.get("/endless")
async def endless():
    async def ticks():
        while True:
            yield b"tick" * 1024
    return StreamingResponse(ticks())
"""
INI = "[pytest]\nasyncfastapi_app = myapp:app\nasyncio_default_fixture_loop_scope = function\n"


def run(pytester: pytest.Pytester, tests: str, *flags: str, ini: str = "") -> pytest.RunResult:
    """Run these tests with the app above."""
    pytester.makeini(INI + ini)
    pytester.makepyfile(myapp=APP, test_it="import pytest\nfrom myapp import log, VAR\n" + tests)
    # Without what other runs have imported.
    alone = partial(pytester.run, sys.executable, "-m", "pytest")
    go = alone if "no:respx" in flags else pytester.runpytest
    return go("-q", "-p", "no:randomly", *flags)


RUNNERS = {
    "adopted": "",
    "anyio": "anyio_mode = auto\n",
    "pytest-asyncio": "asyncio_mode = auto\n",
    "pytest-asyncio, session loop": (
        "asyncio_mode = auto\nasyncio_default_test_loop_scope = session\n"
    ),
    "pytest-trio": "trio_mode = true\n",
}


@pytest.mark.usefixtures("every_plugin")
@pytest.mark.parametrize("runner", RUNNERS)
def test_N04_N05_opened_and_closed_by_a_fixture(pytester: pytest.Pytester, runner: str) -> None:
    """Set-up and teardown may be different tasks: N10 too, an open response is reaped."""
    tests = """
async def test_open(asgi_client):
    await asgi_client.get("/")
    await asgi_client.send(asgi_client.build_request("GET", "/endless"), stream=True)

async def test_next(asgi_client):
    assert log in (["up", "down", "up"], ["up", "down", "up", "down", "up"],
                   ["up", "down"] * 3 + ["up"])
"""
    ini = RUNNERS[runner] + "filterwarnings =\n    error\n    ignore:Async generator\n"
    result = run(pytester, tests, ini=ini)
    times = 2 if runner == "anyio" else 1
    result.assert_outcomes(passed=2 * times)


def test_N02_a_loop_that_is_too_short(pytester: pytest.Pytester) -> None:
    """pytest-asyncio's function loop, a module's app: one sentence, at once."""
    result = run(
        pytester,
        "async def test_a(asgi_client): pass",
        "--asyncfastapi-app-scope=module",
        ini="asyncio_mode = auto\n",
    )
    result.assert_outcomes(errors=1)
    assert (
        "test_it.py::test_a: the app runs once a module (asyncfastapi_app_scope = module), but "
        "the event loop of this test lives for one function (loop_scope = function): the app "
        'would outlive it. Fix: mark it @pytest.mark.asyncio(loop_scope="module"), or set '
        "asyncio_default_test_loop_scope = module, or set asyncfastapi_app_scope = function."
    ) in result.stdout.str()


def test_N02_another_loop_than_the_apps(pytester: pytest.Pytester) -> None:
    """Two loops that are wide enough, but two: both are named."""
    tests = """
@pytest.mark.asyncio(loop_scope="module")
async def test_first(asgi_client): pass

@pytest.mark.asyncio(loop_scope="session")
async def test_second(asgi_client): pass
"""
    result = run(pytester, tests, "--asyncfastapi-app-scope=module")
    result.assert_outcomes(passed=1, errors=1)
    assert (
        "test_it.py::test_second: this test runs in the session loop of pytest-asyncio, but the "
        "app was started in the module loop of pytest-asyncio: connections and locks of the app "
        "belong to that loop. Fix: give all tests that share the app the same loop scope, or set "
        "asyncfastapi_app_scope = function."
    ) in result.stdout.str()


def test_N02_anyios_backend_is_too_short(pytester: pytest.Pytester) -> None:
    """The same for anyio's runner: the scope of `anyio_backend`."""
    tests = """
@pytest.fixture
def anyio_backend(): return "asyncio"

@pytest.mark.anyio
async def test_a(asgi_client): pass
"""
    result = run(pytester, tests, "--asyncfastapi-app-scope=session")
    result.assert_outcomes(errors=1)
    assert (
        "lives for one function (scope of the fixture anyio_backend = function): the app would "
        "outlive it. Fix: define anyio_backend in conftest.py with "
        '@pytest.fixture(scope="session"), or set asyncfastapi_app_scope = function.'
    ) in result.stdout.str()


@pytest.mark.usefixtures("every_plugin")
def test_N02_pytest_trio_has_no_wider_loop(pytester: pytest.Pytester) -> None:
    """One sentence."""
    result = run(
        pytester,
        "async def test_a(asgi_client): pass",
        "--asyncfastapi-app-scope=module",
        ini="trio_mode = true\n",
    )
    result.assert_outcomes(errors=1)
    assert (
        "test_it.py::test_a: the app runs once a module (asyncfastapi_app_scope = module), but "
        "pytest-trio runs each test in a loop of its own. Fix: set asyncfastapi_app_scope = "
        "function, or run this test with anyio's plugin (@pytest.mark.anyio, on its trio backend)."
    ) in result.stdout.str()


def test_N02_outside_of_fixtures() -> None:
    """A client that was used in one loop, a request in another."""
    client = client_class("httpx")(AsgiTransportCore(answering()), base_url="http://testserver")

    async def first() -> None:
        assert (await client.get("/x")).status_code == 200

    async def second() -> None:
        with pytest.raises(LoopMismatch) as caught:
            await client.get("/x")
        assert str(caught.value) == (
            "GET /x: this request runs in another event loop than the one in which the client "
            "(and the app's lifespan) was opened; connections and locks of the app belong to that "
            "loop. Fix: give the test and its fixtures the same loop scope, such as "
            '@pytest.mark.asyncio(loop_scope="module") on both.'
        )

    anyio.run(first)
    anyio.run(second)


TWICE = """
import sniffio

async def test_one(asgi_client):
    answer = await asgi_client.get("/")
    assert answer.json() == {"ups": 1 + log.count("down"), "var": "unset"}
    asgi_client.cookies.set("a", "1")

async def test_two(asgi_client):
    answer = await asgi_client.get("/")
    assert answer.json() == {"ups": 1 + log.count("down"), "var": "unset"}
    assert not asgi_client.cookies
    assert log.count("up") == 1 + (sniffio.current_async_library() == "trio")
"""


@pytest.mark.parametrize("scope", ["module", "session"])
@pytest.mark.parametrize("runner", ["adopted", "anyio", "pytest-asyncio, session loop"])
def test_the_app_runs_once(pytester: pytest.Pytester, runner: str, scope: str) -> None:
    """For all tests of the scope, each with its own client; once more for another backend."""
    if runner == "anyio":
        pytester.makeconftest(
            "import pytest\n"
            "@pytest.fixture(scope='session', params=['asyncio', 'trio'])\n"
            "def anyio_backend(request): return request.param\n"
        )
    result = run(pytester, TWICE, f"--asyncfastapi-app-scope={scope}", ini=RUNNERS[runner])
    result.assert_outcomes(passed=4 if runner == "anyio" else 2)


def test_the_scope_of_the_app_is_no_marker_and_fits_asgi_app(pytester: pytest.Pytester) -> None:
    """One test cannot have its own, and a fixture `asgi_app` must live as long."""
    tests = """
@pytest.fixture
def asgi_app():
    from myapp import app
    return app

async def test_narrow(asgi_client): pass

@pytest.mark.asyncfastapi(app_scope="module")
async def test_marked(asgi_client): pass

@pytest.mark.asyncfastapi(client="httpx3")
async def test_wrong(asgi_client): pass
"""
    result = run(pytester, tests, "--asyncfastapi-app-scope=module")
    result.assert_outcomes(errors=3)
    text = result.stdout.str()
    assert (
        "but the fixture asgi_app gives a new app each function. Fix: declare it with "
        '@pytest.fixture(scope="module"), or set asyncfastapi_app_scope = function.'
    ) in text
    assert (
        "test_it.py::test_marked: 'app_scope' holds for the whole run, no test can have its own. "
        "Fix: write asyncfastapi_app_scope in the configuration, or give "
        "--asyncfastapi-app-scope."
    ) in text
    assert "(client='httpx3'): 'httpx3' must be one of httpx, httpx2" in text


def test_another_app_by_marker_under_a_wide_scope(pytester: pytest.Pytester) -> None:
    """The running one would answer in its place: one sentence."""
    tests = """
async def test_first(asgi_client): pass

@pytest.mark.asyncfastapi(app="other:app")
async def test_other(asgi_client): pass
"""
    result = run(pytester, tests, "--asyncfastapi-app-scope=module")
    result.assert_outcomes(passed=1, errors=1)
    assert (
        "test_it.py::test_other: this test asks for the app 'other:app', but 'myapp:app' runs for "
        "the whole module (asyncfastapi_app_scope = module). Fix: move this test to a module of "
        "its own, set asyncfastapi_app_scope = function, or open it in the test: async with "
        "pytest_asyncfastapi.open_app(app) as client."
    ) in result.stdout.str()


@pytest.mark.parametrize("way", ["flag", "ini", "marker"])
def test_httpx2_by_flag_ini_and_marker(pytester: pytest.Pytester, way: str) -> None:
    """`asgi_client` is a client of that library; httpx is not imported for it."""
    mark = '@pytest.mark.asyncfastapi(client="httpx2")' if way == "marker" else ""
    tests = f"""
{mark}
async def test_a(asgi_client):
    import sys
    ours = sys.modules["pytest_asyncfastapi._client.with_httpx2"]
    assert isinstance(asgi_client, ours.httpx2.AsyncClient)
    assert (await asgi_client.get("/")).json()["ups"] == 1
    assert "pytest_asyncfastapi._client.with_httpx" not in sys.modules
    assert "httpx" not in sys.modules
"""
    flags = ["--asyncfastapi-client=httpx2"] if way == "flag" else []
    ini = "asyncfastapi_client = httpx2\n" if way == "ini" else ""
    # Other plugins import httpx; here only ours counts.
    others = ["-p", "no:pytest_httpx", "-p", "no:respx"]
    run(pytester, tests, *flags, *others, ini=ini).assert_outcomes(passed=1)


def test_httpx2_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the extra and the setting."""
    from pytest_asyncfastapi._plugin import open_app as opening

    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as caught:
        opening.client_class("httpx2")
    assert str(caught.value) == (
        "the client was asked to be one of httpx2, which is not installed in this environment. "
        "Fix: pip install 'pytest-asyncfastapi[httpx2]', or set asyncfastapi_client = httpx."
    )
    with pytest.raises(ValueError, match="client='requests' must be one of httpx, httpx2"):
        opening.client_class("requests")  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"use_uvloop": True}, {"debug": True}], ids=str)
def test_N12_uvloop_and_debug_mode(options: dict[str, bool]) -> None:
    """A stream that is left, a timeout and plain requests."""
    import httpx
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    if "use_uvloop" in options:
        pytest.importorskip("uvloop")
    closed: list[str] = []

    async def endless(request: object) -> StreamingResponse:
        async def ticks() -> object:
            try:
                yield b"tick" * 1024
                await anyio.sleep_forever()
            finally:
                closed.append("closed")

        return StreamingResponse(ticks())

    async def body() -> None:
        async with open_app(Starlette(routes=[Route("/", endless)])) as client:
            assert (await client.get("/none")).status_code == 404
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/", timeout=0.02)
            async with client.stream("GET", "/") as response:
                assert response.status_code == 200
        assert closed[:1] == ["closed"]

    anyio.run(body, backend_options=options)


# Isolation: what one test leaves, the next does not find (N11)

ISOLATION = """
import anyio
from fastapi import Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from myapp import app

def who(): return "real"

@app.get("/who")
async def get_who(me: str = Depends(who)):
    return me

running = []

@app.get("/work")
async def work():
    running.append(1)
    try:
        await anyio.sleep_forever()
    finally:
        running.pop()

async def test_leaves_traces(asgi_client, overrides):
    overrides[who] = "fake"
    VAR.set("set by the test")
    assert (await asgi_client.get("/")).json()["var"] == "set by the test"
    assert (await asgi_client.get("/who")).json() == "fake"
    asgi_client.cookies.set("a", "1")
    asgi_client.headers["x-mine"] = "1"
    with anyio.move_on_after(0.01):
        await asgi_client.get("/work")
    request = asgi_client.build_request("GET", "/endless")
    await asgi_client.send(request, stream=True)

async def test_finds_none(asgi_client):
    assert (await asgi_client.get("/who")).json() == "real"
    assert not asgi_client.cookies
    assert "x-mine" not in asgi_client.headers
    assert running == []

async def test_of_the_app_neither(asgi_client):
    await asgi_client.get("/")
    assert VAR.get() != "set by the app"
"""


@pytest.mark.parametrize("scope", ["function", "session"])
@pytest.mark.parametrize("runner", ["adopted", "pytest-asyncio, session loop"])
def test_N11_isolation(pytester: pytest.Pytester, runner: str, scope: str) -> None:
    """Context, cookies, headers, overrides and tasks, with an app of a test and of a session."""
    ini = RUNNERS[runner] + "filterwarnings =\n    error\n    ignore:Async generator\n"
    result = run(pytester, ISOLATION, f"--asyncfastapi-app-scope={scope}", ini=ini)
    result.assert_outcomes(passed=3)
