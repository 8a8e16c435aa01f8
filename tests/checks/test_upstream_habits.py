"""What a plain test reports of the calls that the app makes: each habit, and its sound twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.concurrency.conftest import Projects, Report

APP = """
import asyncio
from contextlib import asynccontextmanager

import aiohttp
import anyio
import httpx
import requests
from fastapi import FastAPI

PAY = "https://pay.example/charges"
ITEMS = "https://stock.example/items/"

app = FastAPI()

@app.get("/none")
async def none():
    async with httpx.AsyncClient(timeout=None) as http:
        await http.get(PAY)  # no timeout

@app.get("/pool")
async def pool():
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, pool=None)) as http:
        await http.get(PAY)  # no pool budget

@app.get("/sync")
def sync():
    requests.get(PAY)  # requests has none

@app.get("/aio")
async def aio():
    async with aiohttp.ClientSession() as http, http.get(PAY):  # five minutes
        return {}

@app.get("/aio-none")
async def aio_none():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as http:
        async with http.get(PAY):  # no limit at all
            return {}

# Sound

@app.get("/default")
async def default():
    async with httpx.AsyncClient() as http:
        await http.get(PAY)

@app.get("/around")
async def around():
    async with httpx.AsyncClient(timeout=None) as http:
        async with asyncio.timeout(5):
            await http.get(PAY)
        await asyncio.wait_for(http.get(PAY), 5)
        with anyio.fail_after(5):
            await http.get(PAY)
        await asyncio.wait([asyncio.create_task(http.get(PAY))], timeout=5)

@app.get("/task-around")
async def task_around():
    async with httpx.AsyncClient(timeout=None) as http, asyncio.timeout(5):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(http.get(PAY))
            tasks.create_task(http.get(PAY))

@app.get("/events")
async def events():
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=None)) as http:
        async with http.stream("GET", PAY, headers={"Accept": "text/event-stream"}) as response:
            await response.aread()

@app.get("/write-only")
async def write_only():
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, write=None)) as http:
        await http.get(PAY)

@app.get("/aio-own")
async def aio_own():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
        async with http.get(PAY):
            return {}

@app.get("/aio-around")
async def aio_around():
    async with aiohttp.ClientSession() as http, asyncio.timeout(10), http.get(PAY):
        return {}

@app.get("/sync-own")
def sync_own():
    requests.get(PAY, timeout=5)

# Many at one time

@app.get("/gather")
async def gather(n: int = 60):
    async with httpx.AsyncClient() as http:
        async def fetch(number):
            return await http.get(ITEMS + str(number))  # one call
        await asyncio.gather(*(fetch(number) for number in range(n)))  # all of them
    return {}

@app.get("/direct")
async def direct(n: int = 60):
    async with httpx.AsyncClient() as http:
        async with asyncio.TaskGroup() as tasks:
            for number in range(n):
                tasks.create_task(http.get(ITEMS + str(number)))  # a task each
    return {}

@app.get("/clients")
async def clients(n: int = 60):
    async def fetch(number):
        async with httpx.AsyncClient() as http:
            return await http.get(ITEMS + str(number))
    await asyncio.gather(*map(fetch, range(n)))  # a client each
    return {}

@app.get("/semaphore")
async def semaphore(n: int = 60):
    limit = asyncio.Semaphore(10)
    async with httpx.AsyncClient() as http:
        async def fetch(number):
            async with limit:
                return await http.get(ITEMS + str(number))
        await asyncio.gather(*(fetch(number) for number in range(n)))
    return {}

@app.get("/limits")
async def limits(n: int = 60):
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=10)) as http:
        await asyncio.gather(*(http.get(ITEMS + str(number)) for number in range(n)))
    return {}

@app.get("/in-turn")
async def in_turn(n: int = 60):
    async with httpx.AsyncClient() as http:
        for number in range(n):
            await http.get(ITEMS + str(number))
    return {}

@app.get("/one")
async def one():
    async with httpx.AsyncClient() as http:
        await http.get(ITEMS + "1")
    return {}
"""
TEST = """
import asyncio
import httpx
import pytest

@pytest.fixture(autouse=True)
def routes(upstream):
    upstream.allow_unused_routes = True
    upstream.get("https://pay.example/charges").respond(200)
    upstream.get(url__startswith="https://stock.example/items/").respond(200)

{tests}
"""


def _tests(*paths: str, mark: str = "") -> str:
    bodies = [
        f"{mark}\nasync def test_{path.strip('/').replace('-', '_')}(asgi_client):\n"
        f"    await asgi_client.get({path!r})\n"
        for path in paths
    ]
    return TEST.format(tests="\n".join(bodies))


@pytest.fixture(scope="module")
def unbounded(projects: Projects) -> Report:
    return projects.run(app=APP, test_it=_tests("/none", "/pool", "/sync", "/aio", "/aio-none"))


@pytest.mark.parametrize(
    ("source", "title", "fix"),
    [
        (
            "await http.get(PAY)  # no timeout",
            "no timeout: GET https://pay.example/charges waits without a limit",
            "leave timeout=None out (httpx's own limit is 5 s), or write timeout=5",
        ),
        (
            "await http.get(PAY)  # no pool budget",
            "no timeout: GET https://pay.example/charges waits without a limit for a free "
            "connection of its pool",
            "httpx.Timeout(5.0): the limit for the pool is then 5 s too",
        ),
        (
            "requests.get(PAY)  # requests has none",
            "no timeout: GET https://pay.example/charges waits without a limit",
            "give the call a timeout: requests.get(..., timeout=5)",
        ),
        (
            "http.get(PAY):  # five minutes",
            "timeout not chosen: GET https://pay.example/charges may take aiohttp's default of 5 "
            "minutes",
            "aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))",
        ),
        (
            "http.get(PAY):  # no limit at all",
            "no timeout: GET https://pay.example/charges waits without a limit",
            "aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))",
        ),
    ],
)
def test_a_call_without_a_timeout(unbounded: Report, source: str, title: str, fix: str) -> None:
    """A warning that names the line, what has no limit, and what to write."""
    unbounded.outcome(passed=5)
    place = unbounded.line("app.py", source)
    assert f"{title}\n      {place}" in unbounded.output
    assert f"fix: {fix}" in unbounded.output


def test_calls_with_a_timeout_of_the_client_or_around_it(projects: Projects) -> None:
    """Whoever bounds the call, and where: nothing is reported."""
    paths = (
        *("/default", "/around", "/task-around", "/events", "/write-only", "/aio-own"),
        *("/aio-around", "/sync-own"),
    )
    report = projects.run("--asyncfastapi-checks=fail", app=APP, test_it=_tests(*paths))
    report.outcome(passed=len(paths))
    assert "timeout" not in report.output


@pytest.mark.parametrize(
    "given",
    [
        ["--asyncfastapi-checks=off"],
        ["--asyncfastapi-check=no-timeout=off"],
        ["--asyncfastapi-allow-checks=no-timeout"],
        ["--asyncfastapi-allow-checks=no-timeout@app"],
    ],
)
def test_allowed(projects: Projects, given: list[str]) -> None:
    """By the setting, for one check, or by a rule."""
    report = projects.run(*given, app=APP, test_it=_tests("/none"))
    report.outcome(passed=1)
    assert "no timeout" not in report.output


@pytest.mark.parametrize(
    "given", ["--asyncfastapi-checks=fail", "--asyncfastapi-check=no-timeout=fail"]
)
def test_fails_where_asked(projects: Projects, given: str) -> None:
    """The finding stands in the failure, with the rule that allows it."""
    report = projects.run(given, app=APP, test_it=_tests("/none"))
    report.outcome(failed=1)
    found = report.finding("no timeout")
    assert "in        GET /none" in found
    assert "asyncfastapi_allow_checks = no-timeout@app" in found


def test_a_rule_of_another_module_allows_nothing(projects: Projects) -> None:
    given = "--asyncfastapi-allow-checks=no-timeout@shop"
    report = projects.run(given, app=APP, test_it=_tests("/none"))
    assert "no timeout: GET" in report.output


def test_many_at_one_time(projects: Projects) -> None:
    """The line of the `gather()`, and that of the call."""
    report = projects.run(app=APP, test_it=_tests("/gather", "/direct", "/clients"))
    report.outcome(passed=3)
    title = "no limit: 60 calls to stock.example in flight at one time"
    for source in ("# all of them", "# a task each", "# a client each"):
        assert f"{title}\n      {report.line('app.py', source)}" in report.output
    assert "3 warnings" in report.output

    failed = projects.run("--asyncfastapi-checks=fail", app=APP, test_it=_tests("/gather"))
    assert f"called at {failed.line('app.py', '# one call')}" in failed.finding("no limit")


def test_few_at_one_time(projects: Projects) -> None:
    """By a semaphore, by the client's pool, one by one; or it is the test that asks for many."""
    body = """
async def test_many_requests(asgi_client):
    await asyncio.gather(*(asgi_client.get("/one") for _ in range(60)))

async def test_its_own_calls(asgi_client):
    async with httpx.AsyncClient() as http:
        await asyncio.gather(
            *(http.get(f"https://stock.example/items/{n}") for n in range(60))
        )
        async with httpx.AsyncClient(timeout=None) as http:
            await http.get("https://pay.example/charges")

@pytest.mark.asyncfastapi(fan_out=100)
async def test_more_are_allowed(asgi_client):
    await asgi_client.get("/gather")
"""
    sound = _tests("/semaphore", "/limits", "/in-turn", "/gather?n=50")
    sound = sound.replace("test_gather?n=50", "test_gather_50")
    report = projects.run("--asyncfastapi-checks=fail", app=APP, test_it=sound + body)
    report.outcome(passed=7)
    assert "no limit" not in report.output


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        (
            "--asyncfastapi-allow-checks=timeout",
            "--asyncfastapi-allow-checks: 'timeout' allows nothing: write one of no-timeout, ",
        ),
        (
            "--asyncfastapi-check=no-timeout=loud",
            "--asyncfastapi-check: 'no-timeout=loud' is not CHECK=WORD with one of no-timeout, ",
        ),
        ("--asyncfastapi-fan-out=0", "--asyncfastapi-fan-out: '0' is less than 1"),
    ],
)
def test_wrong_settings(projects: Projects, flag: str, sentence: str) -> None:
    """One sentence, before anything runs."""
    report = projects.run(flag, app=APP, test_it=_tests("/none"))
    assert sentence in report.output


RESPX = """
import httpx
import pytest
import respx

@pytest.fixture
def answered():
    with respx.mock(assert_all_called=False) as router:
        router.get("https://pay.example/charges").respond(200)
        yield

async def test_none(answered, asgi_client):
    await asgi_client.get("/none")

async def test_default(answered, asgi_client):
    await asgi_client.get("/default")

async def test_around(answered, asgi_client):
    await asgi_client.get("/around")

async def test_its_own(answered, asgi_client):
    async with httpx.AsyncClient(timeout=None) as http:
        await http.get("https://pay.example/charges")
"""


def test_a_call_that_another_mock_answers(projects: Projects) -> None:
    """A test needs neither `upstream` nor `faults` for it."""
    report = projects.run(app=APP, test_it=RESPX)
    report.outcome(passed=4)
    place = report.line("app.py", "await http.get(PAY)  # no timeout")
    title = "no timeout: GET https://pay.example/charges waits without a limit"
    assert f"{title}\n      {place}" in report.output
    assert "1 warning" in report.output
