"""Ctrl-C in the middle of a test: nothing of ours still listens, or speaks, as Python exits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Starlette's, as an interpreter that imports FastAPI takes half as long again to start.
APP = """
from contextlib import asynccontextmanager
import anyio
from starlette.applications import Starlette
from starlette.routing import Route

async def feed():
    try:
        while True:
            yield 1
            await anyio.sleep(3600)
    finally:
        await anyio.sleep(0)

@asynccontextmanager
async def lifespan(app):
    yield
    await anyio.sleep(0)

async def endless(request):
    async for item in feed():
        pass

app = Starlette(lifespan=lifespan, routes=[Route("/feed", endless)])
"""

# A shell that starts something in the background makes it ignore SIGINT, and its children too.
TESTS = """
import os, signal, threading
import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)

{mark}
async def test_interrupted(asgi_client, upstream):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    await asgi_client.get("/feed")
"""

ANYIO = "pytestmark = pytest.mark.anyio\n@pytest.fixture\ndef anyio_backend():\n    return {!r}\n"
RUNNERS = {
    "anyio": (ANYIO.format("asyncio"), ""),
    "anyio on trio": (ANYIO.format("trio"), ""),
    "pytest-asyncio": ("@pytest.mark.asyncio", "asyncio"),
    "pytest-asyncio, one loop": ('@pytest.mark.asyncio(loop_scope="module")', "asyncio"),
}
SPEAKS = ("Task was destroyed", "Exception ignored", "never awaited", "never retrieved")


@pytest.mark.parametrize("runner", RUNNERS)
def test_nothing_is_printed_as_python_exits(pytester: pytest.Pytester, runner: str) -> None:
    """In an interpreter of its own, since it is about the end of one."""
    mark, plugins = RUNNERS[runner]
    pytester.makepyfile(app=APP, test_it=TESTS.format(mark=mark))
    scope = "asyncio_default_fixture_loop_scope = function\n" if plugins else ""
    pytester.makeini(f"[pytest]\nasyncfastapi_app = app:app\n{scope}")
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "asyncfastapi", "-p", "anyio"]
    for name in plugins.split():
        arguments += ["-p", name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "KeyboardInterrupt" in done.stdout
    assert done.stderr == ""
    assert not [word for word in SPEAKS if word in done.stdout]


def test_what_was_wrapped_is_put_back(pytester: pytest.Pytester) -> None:
    """Whoever comes after the run meets asyncio as it was."""
    pytester.makeconftest(
        """
import asyncio, pytest
stock = asyncio.BaseEventLoop.create_task, asyncio.Runner.close

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    print("as it was:", (asyncio.BaseEventLoop.create_task, asyncio.Runner.close) == stock)
"""
    )
    tests = """
import asyncio
from conftest import stock

async def test_interrupted(threads):
    assert asyncio.BaseEventLoop.create_task is not stock[0]
    raise KeyboardInterrupt
"""
    pytester.makepyfile(app=APP, test_it=tests)
    pytester.makeini("[pytest]\nasyncfastapi_app = app:app\npythonpath = .\n")
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    assert "KeyboardInterrupt" in result.stdout.str()
    assert "as it was: True" in result.stdout.str()
