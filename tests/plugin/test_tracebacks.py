"""A failure shows the user's frames; with `--tb=long` or `--full-trace` all of them."""

from __future__ import annotations

import pytest
from _pytest._code import code

APP = """
import json
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.get("/call")
async def call():
    async with httpx.AsyncClient(timeout=1) as http:
        return (await http.get("https://pay.example/rates")).json()

@app.get("/boom")
async def boom():
    return json.loads("{")

@app.get("/invalid", response_model=int)
async def invalid():
    return "no number"
"""
OURS = "pytest_asyncfastapi/"


def run(pytester: pytest.Pytester, body: str, *flags: str) -> str:
    """What pytest prints of one test with this body."""
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app")
    pytester.makepyfile(shop=APP)
    pytester.makepyfile(
        "import httpx, json, pytest\n"
        "async def test_it(asgi_client, upstream, faults, clock):\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
    )
    result = pytester.runpytest_inprocess("-q", *flags)
    result.assert_outcomes(failed=1)
    return result.stdout.str()


def paths(printed: str) -> list[str]:
    """The `file:line` of each frame that is shown, without the lines."""
    lines = [line.partition(" ")[0] for line in printed.splitlines()]
    return [line.partition(":")[0] for line in lines if ".py:" in line and "::" not in line]


@pytest.mark.parametrize("style", ["auto", "short", "line"])
def test_a_call_without_a_route_shows_the_test_and_the_endpoint(
    pytester: pytest.Pytester, style: str
) -> None:
    """Neither the client's frames, nor the framework's, nor the plugin's."""
    printed = run(pytester, 'await asgi_client.get("/call")', f"--tb={style}")
    shown = [path.rpartition("/")[2] for path in paths(printed)]
    name = next(path.name for path in pytester.path.glob("test_*.py"))
    assert shown == ([name, "shop.py"] if style != "line" else ["shop.py"])
    assert OURS not in printed


def test_a_call_without_a_route_is_told_once(pytester: pytest.Pytester) -> None:
    """The exception says all that the finding has to say; the summary of the run counts it."""
    printed = run(pytester, 'await asgi_client.get("/call")')
    failure = printed.partition("= pytest-asyncfastapi =")[0]
    title = "no route answers GET https://pay.example/rates (httpx)"
    assert failure.count(title) == 1
    assert "--asyncfastapi-passthrough=pay.example" in failure
    assert "1 finding that fails tests" in printed


def test_a_finding_beside_another_error_is_shown_still(pytester: pytest.Pytester) -> None:
    """The test failed for its own reason; what the app swallowed stands beside it."""
    printed = run(
        pytester,
        'with pytest.raises(BaseException):\n    await asgi_client.get("/call")\nassert 1 == 2',
    )
    assert printed.partition("= pytest-asyncfastapi =")[0].count("no route answers GET") == 1


@pytest.mark.parametrize("flags", [("--tb=long",), ("--full-trace",)])
def test_all_frames_for_who_asks(pytester: pytest.Pytester, flags: tuple[str, ...]) -> None:
    """Somebody who looks for a fault of the plugin's has them all."""
    printed = run(pytester, 'await asgi_client.get("/call")', *flags)
    assert OURS in printed
    assert "httpx/_client.py" in printed


def test_where_a_library_raised_below_the_app(pytester: pytest.Pytester) -> None:
    """The frames between the user's line and the place that raised are the app's own affair."""
    printed = run(pytester, 'await asgi_client.get("/boom")')
    shown = [path.rpartition("/")[2] for path in paths(printed)]
    assert shown[1] == "shop.py"
    assert shown[-1] == "decoder.py"
    assert OURS not in printed
    assert "starlette" not in printed


def test_where_the_framework_raised(pytester: pytest.Pytester) -> None:
    """No line of the user's is below: of the framework, the place that raised is shown."""
    printed = run(pytester, 'await asgi_client.get("/invalid")')
    shown = paths(printed)
    assert len(shown) == 2
    assert shown[1].endswith("fastapi/routing.py")
    assert OURS not in printed


def test_a_fault_is_raised_at_the_call(pytester: pytest.Pytester) -> None:
    """Its real error has passed through the client's pool and the network in memory."""
    printed = run(
        pytester,
        'faults.on("https://pay.example/*").reset()\nawait asgi_client.get("/call")',
    )
    assert "httpx.ReadError" in printed
    assert OURS not in printed
    assert [path.rpartition("/")[2] for path in paths(printed)][-1] == "shop.py"


def test_a_traceback_without_the_plugin_is_pytests_own(pytester: pytest.Pytester) -> None:
    """A library that the test calls itself: nothing is taken away."""
    printed = run(pytester, 'json.loads("{")')
    shown = [path.rpartition("/")[2] for path in paths(printed)]
    assert shown[1:] == ["__init__.py", "decoder.py", "decoder.py"]


def test_a_failure_in_words_has_no_remark_about_frames(pytester: pytest.Pytester) -> None:
    """`pytest.fail(..., pytrace=False)`, as findings are told."""
    printed = run(pytester, 'faults.on("https://pay.example/*").reset()')
    assert "fault never hit" in printed
    assert "traceback entries are hidden" not in printed


def test_several_calls_of_one_line_are_all_named(pytester: pytest.Pytester) -> None:
    """One finding, for it is one line; a call that is made twice is counted."""
    printed = run(
        pytester,
        "for name in ['a', 'a', 'b', 'c']:\n"
        "    with pytest.raises(AssertionError):\n"
        "        await httpx.AsyncClient().get(f'https://{name}.example/')",
        "--asyncfastapi-leaks=off",
    )
    lines = [line.strip() for line in printed.splitlines()]
    assert "no route answers GET https://a.example/ (httpx) (x 2)" in lines
    assert "also      no route answers GET https://b.example/ (httpx)" in lines
    assert "no route answers GET https://c.example/ (httpx)" in lines


@pytest.mark.skipif(
    not hasattr(code, "_filter_tracebackexception"), reason="this pytest shows groups unfiltered"
)
def test_a_group_of_exceptions(pytester: pytest.Pytester) -> None:
    """Each of them, without the frames between."""
    printed = run(
        pytester,
        "import asyncio\n"
        "async with asyncio.TaskGroup() as group:\n"
        "    group.create_task(asgi_client.get('/call'))\n"
        "    group.create_task(asgi_client.get('/boom'))",
    )
    assert "UnroutedCall: no route answers GET https://pay.example/rates" in printed
    assert OURS not in printed
    assert "httpx/_client.py" not in printed


def test_an_error_of_another_plugin(pytester: pytest.Pytester) -> None:
    """It passes through our hooks, which have no part in it."""
    pytester.makeconftest(
        "import pytest\n@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_call(item):\n    yield\n    raise RuntimeError('not ours')"
    )
    printed = run(pytester, "pass")
    assert "RuntimeError: not ours" in printed
    assert "conftest.py" in printed
    assert OURS not in printed
