"""The guard together with other tools: coverage, debuggers, other loops."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.blocking.corpus import BLOCKING, CLEAN
from tests.blocking.corpus.judge_case import judge_case
from tests.blocking.corpus.known_misses import known_miss

if TYPE_CHECKING:
    from types import FrameType

NEW = sys.version_info >= (3, 12)
PLUGINS = "asyncfastapi anyio asyncio".split()
APP = """
import time

async def job(wait):
    if wait:
        time.sleep(0.001)
    return wait
"""
TESTS = """
import pytest
from app import job

@pytest.mark.parametrize("wait", [True, False])
async def test_it(blocking, wait):
    assert await job(wait) == wait
"""


def run_in_subprocess(pytester: pytest.Pytester, *flags: str, **env: str) -> str:
    """A run in a subprocess, with the plugins under test."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *flags]
    for name in PLUGINS:
        command += ["-p", name]
    done = subprocess.run(
        command,
        cwd=pytester.path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "core",
    ["ctrace", pytest.param("sysmon", marks=pytest.mark.skipif(not NEW, reason="3.12 or later"))],
)
def test_coverage_and_the_guard_work_together(pytester: pytest.Pytester, core: str) -> None:
    """With coverage's trace function, and with its own tool of sys.monitoring; xdist beside."""
    pytester.makepyfile(app=APP, test_it=TESTS)
    flags = ("-p", "xdist", "-n", "1") if core == "ctrace" else ()
    told = run_in_subprocess(
        pytester, "-p", "pytest_cov", "--cov=app", "--cov-report=term", *flags, COVERAGE_CORE=core
    )
    assert "1 failed, 1 passed" in told
    assert "app.py:5, in job" in told
    (row,) = [line.split() for line in told.splitlines() if line.startswith("app.py ")]
    assert row == ["app.py", "5", "0", "100%"]
    assert "not watched" not in told


def test_a_debugger_still_traces(watch: Any) -> None:
    """A trace function gets all of its events, and is still installed afterwards."""
    lines: list[int] = []

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code is sleeper.__code__ and event == "line":
            lines.append(frame.f_lineno - frame.f_code.co_firstlineno)
        return trace

    async def sleeper() -> None:
        time.sleep(0.001)
        await asyncio.sleep(0)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        guard = watch(sleeper)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
    assert [call.name for call in guard.calls] == ["time.sleep"]
    assert lines == [1, 2]


def test_pytest_inside_a_guarded_test(watch: Any, pytester: pytest.Pytester) -> None:
    """The calls of the inner run are its own; afterwards the outer guard works as before."""
    pytester.makepyfile(app=APP, test_it=TESTS)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    async def sleeper() -> None:
        pause = time.sleep
        pause(0.001)

    outer = watch.guard()
    outer.start()
    pytester.syspathinsert()
    pytester.runpytest_inprocess().assert_outcomes(passed=1, failed=1)
    assert outer.calls == []
    asyncio.run(sleeper())
    assert outer._is_working()
    outer.stop()
    (call,) = outer.calls
    assert call.where.source == "pause(0.001)"


# uvloop: the call monitor receives all, the steps are C. One of each kind is enough here; the whole
# corpus is played by `python -m benchmarks.blocking --loops`.
ON_UVLOOP = ("computing.a_loop", "c_code.usleep", "c_code.map_calls_sleep", "sleeping.", "shapes.",
             "app_parts.", "passwords.", "harmless_waits.")  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [case for case in (*BLOCKING, *CLEAN) if case.name.startswith(ON_UVLOOP)],
    ids=lambda case: case.name,
)
def test_on_uvloop(case: Any) -> None:
    """What is called is found with its line; what only takes time is not."""
    pytest.importorskip("uvloop")
    if skip_reason := case.skip_reason("uvloop"):
        pytest.skip(skip_reason)
    verdict = judge_case(case, "uvloop")
    assert verdict.as_expected == (not known_miss(case.name, "uvloop")), verdict


# What blockbuster puts around each function that blocks; and a wait of a library of the loop.
WRAPPER = """
def wrap(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper
"""
WAIT = "def wait(acquire):\n    acquire()\n"


def function_in(package: str, source: str, name: str) -> Any:
    """A function as it would be if this package were installed and had it."""
    path = os.path.join(os.path.dirname(os.path.dirname(pytest.__file__)), package, f"{package}.py")
    namespace: dict[str, Any] = {"__name__": f"{package}.{package}"}
    exec(compile(source, path, "exec"), namespace)
    return namespace[name]


def test_a_call_through_blockbuster_has_its_own_name_and_line(watch):
    sleep = function_in("blockbuster", WRAPPER, "wrap")(time.sleep)

    async def endpoint():
        sleep(0.002)

    (found,) = watch(endpoint).findings()
    assert found.title.startswith("blocking call: time.sleep")
    assert found.where.function.endswith("endpoint")


@pytest.mark.parametrize("caller", ["anyio", "app"])
def test_what_waits_through_blockbuster_is_who_called_it(watch, caller):
    """A wait of the loop's own library is not reported, one of the app is."""
    wrap = function_in("blockbuster", WRAPPER, "wrap")
    wait = function_in("anyio", WAIT, "wait")

    async def endpoint():
        lock = threading.Lock()
        lock.acquire()
        threading.Timer(0.01, lock.release).start()
        acquire = wrap(lock.acquire)
        if caller == "anyio":
            wait(acquire)
        else:
            acquire()

    found = [finding.title for finding in watch(endpoint).findings()]
    assert len(found) == (caller == "app")
    assert all("Lock.acquire" in title or "lock.acquire" in title for title in found)
