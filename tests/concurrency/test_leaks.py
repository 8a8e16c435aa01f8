"""What a test leaves behind: each kind planted once, and what is no leak."""

from __future__ import annotations

import pytest

APP = """
import asyncio, contextlib, socket, threading
import httpx
from fastapi import FastAPI

app = FastAPI()
kept = []
go_on = threading.Event()

async def mail():
    await asyncio.sleep(3600)

async def outer():
    asyncio.create_task(mail(), name="inner")
    await asyncio.sleep(3600)

async def stubborn():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

async def feed():
    try:
        yield 1
        yield 2
    finally:
        pass

@app.get("/task")
async def task():
    asyncio.create_task(mail())
    return {}

@app.get("/nested")
async def nested():
    asyncio.create_task(outer())
    await asyncio.sleep(0)
    return {}

@app.get("/stubborn")
async def resist():
    asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    return {}

@app.get("/coroutine")
async def coroutine():
    mail()
    return {}

@app.get("/cycle")
async def cycle():
    box = [mail()]
    box.append(box)
    return {}

@app.get("/client")
async def client():
    client = httpx.AsyncClient()
    await client.get("https://up.example/")
    return {}

@app.get("/response")
async def response():
    async with httpx.AsyncClient() as client:
        request = client.build_request("GET", "https://up.example/")
        kept.append(await client.send(request, stream=True))
    return {}

@app.get("/generator")
async def generator():
    items = feed()
    kept.append(items)
    async for item in items:
        break
    return {}

@app.get("/thread")
async def thread():
    threading.Thread(target=go_on.wait, name="counter").start()
    return {}

@app.get("/socket")
async def plug():
    kept.append(socket.socket())
    return {}
"""

TESTS = """
import asyncio
import pytest
import app as module

CASES = ["task", "nested", "stubborn", "coroutine", "cycle", "client", "response", "generator",
         "thread", "socket"]

{mark}
@pytest.mark.parametrize("path", CASES)
async def test_leak(asgi_client, upstream, path):
    upstream.allow_unused_routes = True
    upstream.get("https://up.example/").respond(json=[])
    assert (await asgi_client.get("/" + path)).status_code == 200

{mark}
async def test_the_next_one():
    others = asyncio.all_tasks() - {{asyncio.current_task()}}
    assert not [task for task in others if "mail" in repr(task) or "stubborn" in repr(task)]

def test_release():
    module.go_on.set()
"""

# title, the line to change, its source, the request, a word of the remedy
KINDS = {
    "task": (
        r"task still running: mail\(\)", "create_task(mail())", "GET /task", "TaskGroup",
    ),
    "coroutine": (
        r"coroutine never awaited: mail\(\).*\n.*in coroutine", "    mail()", "GET /coroutine",
        "write `await`",
    ),
    "client": (
        "httpx.AsyncClient not closed", "client = httpx.AsyncClient()", "GET /client", "async with",
    ),
    "response": (
        "response stream not closed: GET https://up.example/", "send(request, stream=True)",
        "GET /response", "client.stream(",
    ),
    "generator": (
        r"async generator not closed: feed\(\)", "async for item in items", "GET /generator",
        "aclosing",
    ),
    "thread": (
        "thread still running: 'counter'", 'name="counter"', "GET /thread", "to_thread",
    ),
    "socket": ("socket not closed: AF_INET", "socket.socket()", "GET /socket", "with socket"),
}  # fmt: skip

RUNNERS = {
    "anyio": ("", ""),
    "pytest-asyncio": ("@pytest.mark.asyncio", "asyncio"),
    "one loop for all": ('@pytest.mark.asyncio(loop_scope="module")', "asyncio"),
}


@pytest.fixture(scope="module", params=RUNNERS)
def leaky(request, projects):
    mark, plugins = RUNNERS[request.param]
    tests = TESTS.format(mark=mark)
    return projects.run("--asyncfastapi-leaks=fail", plugins=plugins, app=APP, test_it=tests)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found_with_place_request_and_remedy(leaky, kind):
    """Where, in which request, why and what to write: on asyncio, under every runner."""
    title, source, activity, remedy = KINDS[kind]
    told = leaky.finding(title)
    assert leaky.line("app.py", source) in told
    assert f"in        {activity}\n" in told
    assert remedy in told
    assert f"asyncfastapi_allow_leaks = {kind}@app" in told


def test_each_leak_fails_its_own_test_and_no_other(leaky):
    """Every case has failed, one way or the other; the tests after them pass."""
    for case in ("task", "nested", "stubborn", "client", "response", "generator", "thread"):
        assert f"test_leak[{case}]" in leaky.output
    assert "test_the_next_one" not in leaky.output
    assert "test_release" not in leaky.output


def test_a_task_says_where_it_waits_and_who_created_its_creator(leaky):
    """Across two generations of tasks, back to the endpoint."""
    told = leaky.output
    assert f"it waits at {leaky.line('app.py', 'asyncio.sleep(3600)')}" in told
    inner = leaky.finding(r"task still running: mail\(\).*\n.*in outer")
    assert leaky.line("app.py", 'name="inner"') in inner
    created = leaky.line("app.py", "create_task(outer())")
    assert f"created   at {created}, in nested (GET /nested)" in inner


def test_a_task_that_swallows_its_cancellation_does_not_hang_the_run(leaky):
    """It is struck off, and named."""
    told = leaky.finding(r"task cannot be cancelled: stubborn\(\) goes on after 3")
    assert "in stubborn" in told
    assert "no bare `except BaseException`" in told.replace("\n            ", " ")


def test_a_coroutine_in_a_reference_cycle_is_collected_in_its_own_test(leaky):
    """Found by the sweep at the end, and not in some later test."""
    assert "ERROR at teardown of test_leak[cycle]" in leaky.output
    assert leaky.line("app.py", "box = [mail()]") in leaky.output


# Modes


ONE = """
async def test_it(asgi_client):
    assert (await asgi_client.get("/task")).status_code == 200
"""


def test_by_default_a_leak_is_a_warning_in_tests_with_our_fixtures(projects):
    """The run stays green, the summary names the leak."""
    report = projects.run(app=APP, test_it=ONE)
    report.outcome(passed=1)
    assert "warn  task still running: mail()" in report.output
    assert report.line("app.py", "create_task(mail())") in report.output


def test_a_leak_may_be_intended(projects):
    """Allowed by the line that the finding has given."""
    report = projects.run("--asyncfastapi-allow-leaks=task@app", app=APP, test_it=ONE)
    report.outcome(passed=1)
    assert "still running" not in report.output


def test_a_test_has_its_own_mode_and_rules(projects):
    """By the marker, whatever the configuration says."""
    marks = '@pytest.mark.asyncfastapi(leaks="{}", allow_leaks={!r})'
    tests = "import pytest\n" + ONE.replace("test_it", "test_plain")
    for number, (mode, rule) in enumerate([("fail", ()), ("off", ()), ("fail", "task@app")]):
        tests += marks.format(mode, rule) + ONE.replace("test_it", f"test_{number}")
    report = projects.run("--asyncfastapi-leaks=off", app=APP, test_it=tests)
    report.outcome(passed=4, errors=1)
    assert "test_plain" not in report.output


def test_a_rule_that_is_none_is_refused_with_a_sentence(projects):
    report = projects.run("--asyncfastapi-allow-leaks=tasks", app=APP, test_it=ONE)
    assert "--asyncfastapi-allow-leaks: 'tasks' allows no leak: write one of task, coro" in (
        report.output
    )


# What is no leak


SOUND = """
import asyncio, contextlib, threading
from concurrent.futures import ThreadPoolExecutor
import anyio, httpx
from fastapi import Depends, FastAPI, Request
from fastapi.responses import StreamingResponse

at_import = httpx.AsyncClient()
pool = ThreadPoolExecutor(1)

async def beat():
    while True:
        await asyncio.sleep(0.01)

@contextlib.asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(beat())
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    async with httpx.AsyncClient() as client:
        yield {"client": client}
    stop.set()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

app = FastAPI(lifespan=lifespan)

async def dependency():
    yield 1

async def lines():
    for number in range(100):
        yield f"{number}\\n"
        await asyncio.sleep(0.001)

@app.get("/all")
async def everything(request: Request, number=Depends(dependency)):
    await request.state.client.get("https://up.example/")
    await at_import.get("https://up.example/")
    async with request.state.client.stream("GET", "https://up.example/") as response:
        await response.aread()
    await asyncio.to_thread(len, "x")
    await anyio.to_thread.run_sync(len, "x")
    await asyncio.get_running_loop().run_in_executor(pool, len, "x")
    await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1)
    task = asyncio.create_task(beat())
    await asyncio.sleep(0)
    task.cancel()
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    return {}

@app.get("/lines")
async def stream():
    return StreamingResponse(lines())
"""

SOUND_TESTS = """
import asyncio, contextlib
import httpx, pytest
from fastapi import FastAPI

{fixtures}

{mark}
@pytest.mark.parametrize("n", [1, 2])
async def test_everything(asgi_client, upstream, own_client, session_task, n):
    upstream.get("https://up.example/").respond(json=[])
    assert (await asgi_client.get("/all")).status_code == 200
    await own_client.get("https://up.example/")

{mark}
async def test_a_client_that_leaves(asgi_client):
    async with asgi_client.stream("GET", "/lines") as response:
        async for line in response.aiter_lines():
            break

{mark}
async def test_a_client_of_an_app_in_process_holds_nothing(asgi_client):
    client = httpx.AsyncClient(transport=httpx.ASGITransport(FastAPI()), base_url="http://test")
    assert (await client.get("/")).status_code == 404
"""

FIXTURES = """
@{fixture}
async def own_client():
    async with httpx.AsyncClient() as client:
        yield client

@{fixture}(scope="module"{loop})
async def session_task():
    task = asyncio.create_task(asyncio.sleep(3600))
    yield task
    task.cancel()
"""


@pytest.mark.parametrize("scope", ["function", "module"])
@pytest.mark.parametrize("runner", ["anyio", "pytest-asyncio"])
def test_what_is_no_leak(projects, runner, scope):
    """The lifespan's own, pools, fixtures of the test and wider ones, clients that leave."""
    if runner == "anyio":
        fixtures = "pytestmark = pytest.mark.anyio\n@pytest.fixture(scope='module')\n"
        fixtures += "def anyio_backend(): return 'asyncio'\n"
        fixtures += FIXTURES.format(fixture="pytest.fixture", loop="")
        mark, plugins = "", ""
    else:
        fixtures = "import pytest_asyncio\n" + FIXTURES.format(
            fixture="pytest_asyncio.fixture", loop=', loop_scope="module"'
        ).replace("fixture\nasync", 'fixture(loop_scope="module")\nasync')
        mark, plugins = '@pytest.mark.asyncio(loop_scope="module")', "asyncio"
    tests = SOUND_TESTS.format(fixtures=fixtures, mark=mark)
    flags = ("--asyncfastapi-leaks=fail", f"--asyncfastapi-app-scope={scope}", "-W", "error")
    # `join()` of a short thread takes long where the machine is busy, and is another matter.
    flags += ("--asyncfastapi-blocking=off",)
    report = projects.run(*flags, plugins=plugins, app=SOUND, test_it=tests)
    report.outcome(passed=4)
    assert "pytest-asyncfastapi =" not in report.output


def test_what_the_lifespan_forgets_is_found_once_it_is_over(projects):
    """With one run of the app for all tests: at its end, not in each of them."""
    app = """
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.task = asyncio.create_task(asyncio.sleep(3600))
    yield

app = FastAPI(lifespan=lifespan)
"""
    tests = """
import pytest
pytestmark = pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("n", [1, 2])
async def test_it(asgi_client, n):
    assert (await asgi_client.get("/")).status_code == 404
"""
    for scope, errors in (("function", 2), ("module", 1)):
        report = projects.run(
            "--asyncfastapi-leaks=fail", f"--asyncfastapi-app-scope={scope}", app=app, test_it=tests
        )
        report.outcome(passed=2, errors=errors)
        assert "in        lifespan" in report.finding("task still running: sleep")
