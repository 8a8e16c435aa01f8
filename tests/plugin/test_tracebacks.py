"""A failure shows the user's frames; with `--tb=long` or `--full-trace` all of them."""

from __future__ import annotations

import re

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


def run(pytester: pytest.Pytester, bodies: dict[str, str], *flags: str) -> dict[str, str]:
    """What is shown of each test with such a body, which fails; all that is printed as ""."""
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app")
    pytester.makepyfile(shop=APP)
    tests = [
        f"async def test_{name}(asgi_client, upstream, faults, clock):\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
        for name, body in bodies.items()
    ]
    pytester.makepyfile(test_it="import httpx, json, pytest\n" + "\n".join(tests))
    result = pytester.runpytest_inprocess("-q", "-p", "no:randomly", *flags)
    result.assert_outcomes(failed=len(bodies))
    printed = result.stdout.str()
    parts = re.split(
        r"^_+ test_(\w+) _+$", printed.partition("= pytest-asyncfastapi =")[0], flags=re.M
    )
    return {"": printed, **dict(zip(parts[1::2], parts[2::2], strict=True))}


def paths(printed: str) -> list[str]:
    """The `file:line` of each frame that is shown, without the lines."""
    lines = [line.partition(" ")[0] for line in printed.splitlines()]
    return [line.partition(":")[0] for line in lines if ".py:" in line and "::" not in line]


CALL = 'await asgi_client.get("/call")'
BODIES = {
    "call": CALL,
    "beside": f"with pytest.raises(BaseException):\n    {CALL}\nassert 1 == 2",
    "boom": 'await asgi_client.get("/boom")',
    "invalid": 'await asgi_client.get("/invalid")',
    "fault": f'faults.on("https://pay.example/*").reset()\n{CALL}',
    "plain": 'json.loads("{")',
    "words": 'faults.on("https://pay.example/*").reset()',
    "loop": "for name in ['a', 'a', 'b', 'c']:\n    with pytest.raises(AssertionError):\n"
    "        await httpx.AsyncClient().get(f'https://{name}.example/')",
}


def names(shown: str) -> list[str]:
    """The files of the frames that are shown."""
    return [path.rpartition("/")[2] for path in paths(shown)]


def test_which_frames_are_shown(pytester: pytest.Pytester) -> None:
    """Neither the client's frames, nor the framework's, nor the plugin's."""
    shown = run(pytester, BODIES, "--asyncfastapi-leaks=off")
    assert OURS not in shown[""]
    assert names(shown["call"]) == ["test_it.py", "shop.py"]
    # The exception says all that the finding has to say; the summary of the run counts it.
    title = "no route answers GET https://pay.example/rates (httpx)"
    assert shown["call"].count(title) == 1
    assert "--asyncfastapi-passthrough=pay.example" in shown["call"]
    # The test failed for its own reason; what the app swallowed stands beside it.
    assert shown["beside"].count(title) == 1
    # Below the user's line: of a library that it calls, the place that raised.
    assert names(shown["boom"])[1] == "shop.py"
    assert names(shown["boom"])[-1] == "decoder.py"
    assert "starlette" not in shown["boom"]
    # No line of the user's is below: of the framework, the place that raised.
    assert len(names(shown["invalid"])) == 2
    assert paths(shown["invalid"])[1].endswith("fastapi/routing.py")
    # A fault's real error has passed through the client's pool and the network in memory.
    assert "httpx.ReadError" in shown["fault"]
    assert names(shown["fault"])[-1] == "shop.py"
    # A library that the test calls itself: nothing is taken away.
    assert names(shown["plain"])[1:] == ["__init__.py", "decoder.py", "decoder.py"]
    assert "fault never hit" in shown["words"]
    assert "traceback entries are hidden" not in shown[""]
    # One finding for one line; a call that is made twice is counted.
    lines = [line.strip() for line in shown["loop"].splitlines()]
    assert "no route answers GET https://a.example/ (httpx) (x 2)" in lines
    assert "also      no route answers GET https://b.example/ (httpx)" in lines
    assert "no route answers GET https://c.example/ (httpx)" in lines


def test_a_failure_in_one_line(pytester: pytest.Pytester) -> None:
    """Its place is the app's."""
    shown = run(pytester, {"call": CALL}, "--tb=line")[""]
    assert names(shown) == ["shop.py"]
    assert OURS not in shown


def test_all_frames_for_who_asks(pytester: pytest.Pytester) -> None:
    """Somebody who looks for a fault of the plugin's has them all."""
    shown = run(pytester, {"call": CALL}, "--tb=long")[""]
    assert OURS in shown
    assert "httpx/_client.py" in shown


@pytest.mark.skipif(
    not hasattr(code, "_filter_tracebackexception"), reason="this pytest shows groups unfiltered"
)
def test_a_group_of_exceptions(pytester: pytest.Pytester) -> None:
    """Each of them, without the frames between."""
    body = (
        "import asyncio\n"
        "async with asyncio.TaskGroup() as group:\n"
        "    group.create_task(asgi_client.get('/call'))\n"
        "    group.create_task(asgi_client.get('/boom'))"
    )
    shown = run(pytester, {"group": body})["group"]
    assert "UnroutedCall: no route answers GET https://pay.example/rates" in shown
    assert OURS not in shown
    assert "httpx/_client.py" not in shown


def test_an_error_of_another_plugin(pytester: pytest.Pytester) -> None:
    """It passes through our hooks, which have no part in it."""
    pytester.makeconftest(
        "import pytest\n@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_call(item):\n    yield\n    raise RuntimeError('not ours')"
    )
    shown = run(pytester, {"it": "pass"})["it"]
    assert "RuntimeError: not ours" in shown
    assert "conftest.py" in shown
    assert OURS not in shown


@pytest.mark.parametrize("flags", [(), ("--asyncfastapi-timeout=5",)], ids=["plain", "timeout"])
def test_a_test_of_an_installed_package(pytester: pytest.Pytester, flags: tuple[str, ...]) -> None:
    """It is not the user's own, but passes through nothing of ours below the test."""
    test = pytester.mkdir("site-packages") / "test_installed.py"
    test.write_text("import json\nasync def test_it():\n    json.loads('{')\n")
    shown = pytester.runpytest_inprocess("-q", str(test), *flags).stdout.str()
    assert [path.rpartition("/")[2] for path in paths(shown)][:2] == [test.name, "__init__.py"]
    assert OURS not in shown


@pytest.mark.parametrize("kind", ["Exception", "pytest.fail.Exception"])
def test_an_error_of_the_users_with_pytests_attribute(pytester: pytest.Pytester, kind: str) -> None:
    """Only where pytest itself shows no frame are none looked for."""
    pytester.makepyfile(
        f"""
        import pytest

        class Strange({kind}):
            pytrace = False

        def inner():
            error = Strange("of the user")
            error.pytrace = False
            raise error

        def test_it():
            inner()
        """
    )
    result = pytester.runpytest_inprocess("--asyncfastapi-blocking=fail")
    result.assert_outcomes(failed=1)
    shown = result.stdout.str()
    assert "of the user" in shown
    assert (">       inner()" in shown) == (kind == "Exception")
