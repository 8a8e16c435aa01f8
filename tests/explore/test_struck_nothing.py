"""A flag for the whole run that strikes nothing says so, with the reason; a replay too."""

from __future__ import annotations

import pytest

HOME = """
@app.get("/")
async def home():
    return {}
"""
CALLS = """
@app.get("/")
async def home():
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(URL)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise HTTPException(502)
"""
TEST = """
async def test_home(asgi_client, up):
    await asgi_client.get("/")
"""
QUIET = TEST.replace(", up", "")
PLAIN = """
def test_plain():
    pass
"""


def told(result) -> str:
    """The summary without its line breaks."""
    return " ".join(result.stdout.str().split())


@pytest.mark.parametrize(
    ("flag", "app", "tests", "reason"),
    [
        (
            "--asyncfastapi-sweep=faults",
            HOME,
            PLAIN,
            "no `async def` test that was run uses `asgi_client`",
        ),
        (
            "--asyncfastapi-sweep=faults",
            HOME,
            QUIET,
            "in 1 test: no call of httpx, httpx2, aiohttp or urllib3 was made",
        ),
        (
            "--asyncfastapi-sweep=faults",
            "import pycurl\n" + HOME,
            QUIET,
            "in 1 test: no call of httpx, httpx2, aiohttp or urllib3 was made, and none to a "
            "database or cache (shopapp.py uses pycurl, whose calls are not seen)",
        ),
        (
            "--asyncfastapi-sweep=faults",
            CALLS.replace(
                "    async with",
                "    if hasattr(app, 'rows'):\n        return app.rows\n    async with",
            ).replace(
                "return (await http.get(URL)).raise_for_status().json()",
                "app.rows = (await http.get(URL)).raise_for_status().json()",
            ),
            TEST,
            "in 1 test: what the first run left keeps the app from its calls in all others",
        ),
        (
            "--asyncfastapi-sweep=disconnect",
            HOME,
            QUIET,
            "in 1 test: no request of `asgi_client` ever waits",
        ),
        ("--asyncfastapi-schedules=2", HOME, PLAIN, "no async test was run"),
        (
            "--asyncfastapi-schedules=2",
            HOME,
            "async def test_it():\n    pass\n",
            "in 1 test: no two tasks were ready at the same time",
        ),
        (
            "--asyncfastapi-fault=https://pay.example/*: refused",
            CALLS,
            TEST,
            "the calls that were made went to up.example",
        ),
        (
            "--asyncfastapi-fault=https://up.example/*: refused, after=3",
            CALLS,
            TEST,
            "its schedule selected none of the calls that it saw: 1",
        ),
        (
            "--asyncfastapi-fault=https://up.example/*: refused",
            HOME,
            QUIET,
            "no call of httpx, httpx2, aiohttp or urllib3 was made",
        ),
        (
            "--asyncfastapi-fault=https://up.example/*: truncated",
            CALLS.replace("http.get", "http.head"),
            TEST.replace("up)", "upstream)").replace(
                "    await", "    upstream.head('https://up.example/a').respond(204)\n    await"
            ),
            "it can have no effect on the calls that it covers",
        ),
    ],
)
def test_what_struck_nothing_is_said(project, flag: str, app: str, tests: str, reason: str) -> None:
    """A warning at the end; the tests keep their results."""
    pytester = project(app, tests)
    pytester.makepyfile(pycurl="class Curl: pass")
    result = pytester.runpytest(flag)
    result.assert_outcomes(passed=1)
    assert f"warn {flag.partition('=')[0]}=" in told(result)
    assert f"struck nothing in the whole run: {reason}" in told(result)


@pytest.mark.parametrize(
    "flag",
    [
        "--asyncfastapi-sweep=faults",
        "--asyncfastapi-sweep=disconnect",
        "--asyncfastapi-schedules=2",
        "--asyncfastapi-fault=https://up.example/*: refused",
    ],
)
@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_struck_says_nothing(project, flag: str, workers: str) -> None:
    """One test is enough; with pytest-xdist, too."""
    together = """
import asyncio

async def test_both(asgi_client, up):
    await asyncio.gather(asgi_client.get("/"), asgi_client.get("/"))
"""
    result = project(CALLS, together + PLAIN).runpytest(flag, "-n", workers)
    result.assert_outcomes(passed=2)
    assert "struck nothing" not in told(result)


@pytest.mark.parametrize("token", ["faults:1:reset", "disconnect:1.1:leave"])
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_replay_that_fits_no_test_is_an_error(project, token: str, workers: str) -> None:
    """Although all tests pass."""
    result = project(HOME, PLAIN).runpytest(f"--asyncfastapi-replay={token}", "-n", workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"FOUND --asyncfastapi-replay={token}: it fits no test that was run" in told(result)


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("x", "'x' is not a token of a report, such as faults:3:reset, disconnect:1.7:leave or"),
        ("blob:1:reset", "'blob:1:reset' is not a token of a report, such as faults:3:reset,"),
        ("faults:x:reset", "'faults:x:reset' is not a token of a report, such as faults:3:reset"),
        ("faults:1:teapot", "'faults:1:teapot': 'teapot' must be one of refused, "),
        ("disconnect:1:leave", "is not a token of a report, such as disconnect:1.7:leave"),
        ("disconnect:1.1:fly", "'disconnect:1.1:fly': 'fly' must be one of leave, cancel, "),
        ("schedules:blob", "'blob' is not a schedule; write "),
    ],
)
def test_a_token_that_no_report_has_stops_the_run(project, token: str, sentence: str) -> None:
    """At the start."""
    result = project(HOME, PLAIN).runpytest(f"--asyncfastapi-replay={token}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in result.stderr.str()
