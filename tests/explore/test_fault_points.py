"""Which call a fault sweep strikes, which it leaves out, and what it says where none was."""

from __future__ import annotations

import textwrap

import pytest

APP = """
kept = {}

async def call(method, url):
    async with httpx.AsyncClient(timeout=5) as http:
        return (await http.request(method, url)).raise_for_status()

@app.get("/rows")
async def rows():
    if "token" not in kept:
        try:
            kept["token"] = (await call("POST", "https://auth.example/token")).json()
        except (httpx.HTTPError, ValueError):
            raise HTTPException(502)
    return (await call("GET", "https://data.example/rows?at=1")).json()

@app.get("/kept")
async def kept_rows():
    if "rows" not in kept:
        kept["rows"] = (await call("GET", "https://data.example/rows")).json()
    return kept["rows"]
"""
TEST = """
@pytest.fixture
def data(upstream):
    upstream.allow_unused_routes = True
    upstream.post("https://auth.example/token").respond(json="t")
    upstream.get("https://data.example/rows").respond(json=[1])
    return upstream

@pytest.mark.fault_sweep(faults=["refused", "reset"])
async def test_it(asgi_client, data):
    assert (await asgi_client.get("/rows")).json() == [1]
"""


def test_a_call_is_struck_by_what_it_is(project) -> None:
    """The first call is made by the clean run only; the second is still the one that is named."""
    result = project(APP, TEST).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep: unhandled when GET https://data.example/rows[?]at=1 (call 2) meets *",
            "  where     shopapp.py:15, in call",
            "fault sweep: POST https://auth.example/token (call 1) was not made in 2 of its runs",
            "     1  200-  200-",
            "     2  exc!  exc!",
        ]
    )


@pytest.mark.parametrize("flag", [False, True])
def test_where_nothing_was_tried_it_is_said(project, flag: bool) -> None:
    """An error of a marked test; a warning where a whole suite is swept."""
    tests = TEST.replace('/rows"))', '/kept"))')
    arguments = []
    if flag:
        tests = tests.replace('@pytest.mark.fault_sweep(faults=["refused", "reset"])\n', "")
        arguments = ["--asyncfastapi-sweep=faults"]
    result = project(APP, tests).runpytest(*arguments)
    result.assert_outcomes(**({"passed": 1} if flag else {"failed": 1}))
    result.stdout.fnmatch_lines(
        [
            "*fault sweep: nothing was tried, because GET https://data.example/rows is called in "
            "the first run of the test and in none of the * after it*"
        ]
    )


SET_UP = """
@asynccontextmanager
async def lifespan(app):
    app.state.config = (await call("GET", "https://config.example/")).json()
    yield

async def call(method, url):
    async with httpx.AsyncClient(timeout=5) as http:
        return (await http.request(method, url)).raise_for_status()

app = FastAPI(lifespan=lifespan)

@app.post("/login")
async def login():
    return (await call("POST", "https://auth.example/login")).json()

@app.get("/")
async def home():
    try:
        return (await call("GET", URL)).json() | app.state.config
    except (httpx.HTTPError, ValueError):
        raise HTTPException(502)
"""
LOGGED_IN = """
import pytest_asyncio

@pytest.fixture
def config(upstream):
    upstream.get("https://config.example/").respond(json={})
    upstream.post("https://auth.example/login").respond(json=1)

@pytest_asyncio.fixture
async def user(config, up, asgi_client):
    assert (await asgi_client.post("/login")).json() == 1

@pytest.mark.asyncio
@pytest.mark.fault_sweep(faults=["refused", "500"]SETUP)
async def test_it(user, asgi_client):
    assert (await asgi_client.get("/")).json() == {"n": 1}
"""


def test_calls_of_the_set_up_are_left_out(project) -> None:
    """The app's start-up and a fixture that logs in are what the test stands on."""
    result = project(SET_UP, LOGGED_IN.replace("SETUP", "")).runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["fault sweep of *: 2 points, 0 bad, * s"])
    result = project(SET_UP, LOGGED_IN.replace("SETUP", ", setup=True")).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep: start-up aborted when GET https://config.example/ (call 1)*",
            "fault sweep: unhandled when POST https://auth.example/login (call 2)*",
        ]
    )


def test_where_only_the_set_up_calls_it_is_said(project) -> None:
    """With how to strike these."""
    tests = LOGGED_IN.replace("SETUP", "").replace('get("/")).json() == {"n": 1}', 'get("/docs"))')
    tests = tests.replace("(config, up, asgi", "(config, asgi")
    result = project(SET_UP, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep: nothing was tried, because all 2 upstream calls are made before *",
            "  fix       strike them too, with setup=True; *",
        ]
    )


BACKGROUND = """
from fastapi import BackgroundTasks

async def tell():
    async with httpx.AsyncClient(timeout=5) as http:
        TELL

@app.post("/", status_code=201)
async def order(background: BackgroundTasks):
    background.add_task(tell)
    return {}
"""
ORDER = """
@pytest.mark.fault_sweep
async def test_order(asgi_client, up):
    assert (await asgi_client.post("/")).status_code == 201
"""


def test_work_that_fails_after_the_answer_is_lost(project) -> None:
    """The caller has its 201: neither a 500 nor masked, and only listed."""
    app = BACKGROUND.replace("TELL", "(await http.get(URL)).raise_for_status()")
    result = project(app, ORDER).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "     1  201~  201~*",
            "warn  fault sweep: lost background task when GET https://up.example/a (call 1) *",
            "      shopapp.py:15  (await http.get(URL)).raise_for_status()",
        ]
    )
    assert "masked when" not in result.stdout.str()


def test_background_work_that_tries_again_later_is_clean(project) -> None:
    """The sound twin."""
    tell = """for _ in range(2):
            try:
                (await http.get(URL)).raise_for_status()
                return
            except httpx.HTTPError:
                await asyncio.sleep(5)"""
    tests = ORDER.replace("sweep", "sweep(faults=['refused', '500', 'reset'])")
    result = project(BACKGROUND.replace("TELL", tell), tests).runpytest()
    result.assert_outcomes(passed=1)
    assert "warn" not in result.stdout.str()


STREAM = """
from starlette.background import BackgroundTask

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=5) as app.state.http:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def home():
    http = app.state.http
    try:
        response = await http.send(http.build_request("GET", URL), stream=True)
    except httpx.HTTPError:
        raise HTTPException(502)
    return StreamingResponse(response.aiter_raw(), background=BackgroundTask(response.aclose))
"""


def test_a_read_that_fails_has_given_its_connection_back(project) -> None:
    """The body is cut short, and nothing has leaked, whatever `is_closed` says."""
    tests = """
@pytest.mark.fault_sweep(faults=["truncated"])
async def test_home(asgi_client, up):
    assert (await asgi_client.get("/")).json() == {"n": 1}
"""
    result = project(STREAM, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["fault sweep: broken body when GET https://up.example/a (call 1) meets truncated"]
    )
    assert "leak" not in result.stdout.str()


def test_an_answer_that_is_never_the_same_is_not_called_cached(project) -> None:
    """Each run has its own id: the request sent once more has it too."""
    app = """
import uuid

@asynccontextmanager
async def lifespan(app):
    app.state.id = str(uuid.uuid4())
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def home():
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            n = (await http.get(URL)).raise_for_status().json()["n"]
        except (httpx.HTTPError, ValueError, TypeError, LookupError):
            n = 1
    return {"id": app.state.id, "n": n}
"""
    tests = """
@pytest.mark.fault_sweep
async def test_home(asgi_client, up):
    assert (await asgi_client.get("/")).json()["n"] == 1
"""
    result = project(app, tests).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["warn  fault sweep: masked when *"])
    assert "cached failure" not in result.stdout.str()


GATHER = """
@app.get("/")
async def home():
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            found = await asyncio.gather(*(http.get(f"{URL}/{n}") for n in range(40)))
            return sum(each.raise_for_status().json() for each in found)
        except (httpx.HTTPError, ValueError, TypeError):
            raise HTTPException(502)
"""


def test_of_equal_calls_three_are_struck_and_all(project) -> None:
    """The first, the middle and the last, and from the first on all of them at once."""
    tests = """
@pytest.mark.fault_sweep(faults=["refused", "500"])
async def test_home(asgi_client, upstream):
    upstream.get(url__startswith="https://up.example/a/").respond(json=1)
    assert (await asgi_client.get("/")).json() == 40
"""
    result = project(GATHER, tests).runpytest("-v")
    result.assert_outcomes(passed=1)
    lines = [line.split() for line in result.stdout.lines if line.startswith("  ")]
    assert [line[0] for line in lines if line[1:2] == ["502"]] == ["1", "1+equal", "21", "40"]


def test_the_number_of_runs_does_not_grow_with_equal_calls(project) -> None:
    """Each fault for the first; for the others, and for all at once, two of them."""
    tests = """
@pytest.mark.fault_sweep
async def test_home(asgi_client, upstream):
    upstream.get(url__startswith="https://up.example/a/").respond(json=1)
    assert (await asgi_client.get("/")).json() == 40
"""
    result = project(GATHER, tests).runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep of *: 22 points, *",
            "     1 = GET https://up.example/a/0 *",
            "    21 = GET https://up.example/a/20 *",
            "    40 = GET https://up.example/a/39 *",
            "  37 more calls are equal to others, and not struck one by one",
        ]
    )


@pytest.mark.parametrize(("timeout", "bad"), [("60", False), ("600", False), ("None", True)])
def test_a_long_timeout_is_a_timeout(project, timeout: str, bad: bool) -> None:
    """The slow answer is slower than the call's own limit, in virtual time."""
    app = f"""
@app.get("/")
async def home():
    async with httpx.AsyncClient(timeout={timeout}) as http:
        try:
            return (await http.get(URL)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise HTTPException(502)
"""
    tests = """
@pytest.mark.fault_sweep(faults=["slow"])
async def test_home(asgi_client, up):
    assert (await asgi_client.get("/")).json() == {"n": 1}
"""
    result = project(textwrap.dedent(app), tests).runpytest("-v")
    result.assert_outcomes(**({"failed": 1} if bad else {"passed": 1}))
    result.stdout.fnmatch_lines(["     1  200!" if bad else "     1   502"])
