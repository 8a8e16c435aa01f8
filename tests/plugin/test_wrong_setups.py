"""What keeps a test from starting (or ending): one sentence each, and no frame of the plugin."""

from __future__ import annotations

import pytest

PRELUDE = """
import asyncio, pytest
from contextlib import asynccontextmanager
from fastapi import FastAPI

def make(start="", end=""):
    @asynccontextmanager
    async def lifespan(app):
        if start: raise RuntimeError(start)
        yield
        if end: raise RuntimeError(end)
    return FastAPI(lifespan=lifespan)

async def later(): return make()

def no_token(): raise KeyError("TOKEN")

async def silent(scope, receive, send): pass
"""
# What the fixture `asgi_app` returns, and the message; none where the test passes.
APPS = {
    "None": "None is a NoneType, not an ASGI app: it cannot be called with (scope, receive, send). "
    "Fix: return the app, from the fixture asgi_app",
    "3": "3 is a int, not an ASGI app",
    "lambda settings: make()": "needs 'settings': it is neither an ASGI app, which takes",
    "lambda: None": "was called without arguments and returned None, which is not an ASGI app",
    "no_token": "KeyError: 'TOKEN'",
    "make('no disk')": "RuntimeError: no disk",
    "make('', 'no end')": "RuntimeError: no end",
    "silent": "LifespanError: the app returned from its lifespan as it started",
    "make": "",
    "make()": "",
    "later": "",
    "later()": "",
}


def test_apps(pytester: pytest.Pytester) -> None:
    """An app, a factory, and what is neither."""
    tests = [
        f"class Test{number}:\n"
        f"    @pytest.fixture\n    def asgi_app(self): return {app}\n"
        "    async def test_it(self, asgi_client):\n"
        "        assert (await asgi_client.get('/openapi.json')).status_code == 200\n"
        for number, app in enumerate(APPS)
    ]
    pytester.makepyfile(test_it=PRELUDE + "\n".join(tests))
    run = pytester.inline_run("-q", "-p", "no:randomly")
    shown = dict.fromkeys(APPS, "")
    for report in run.getreports("pytest_runtest_logreport"):
        if report.failed:
            number = int(report.nodeid.split("::")[1].removeprefix("Test"))
            shown[list(APPS)[number]] += report.longreprtext
    for app, words in APPS.items():
        assert words in shown[app], app
        assert bool(words) == bool(shown[app]), app
        assert "pytest_asyncfastapi/" not in shown[app]
        assert "traceback entries are hidden" not in shown[app]


@pytest.mark.parametrize("name", ["asgi_client", "upstream"])
def test_a_wider_fixture_asks_for_ours(pytester: pytest.Pytester, name: str) -> None:
    """pytest says that it may not; beside that stands what to do."""
    pytester.makepyfile(
        test_it=f"""
        import pytest

        @pytest.fixture
        def asgi_app():
            async def app(scope, receive, send): ...
            return app

        @pytest.fixture(scope="session")
        def seed({name}): ...

        async def test_it(seed): ...

        @pytest.fixture
        def narrow(): ...

        @pytest.fixture(scope="session")
        def wide(narrow): ...

        async def test_not_ours(wide): ...
        """
    )
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(errors=2)
    printed = result.stdout.str()
    assert printed.count("is each test's own. Fix: give the fixture that asks") == 1
    assert f"`{name}` is each test's own." in printed
