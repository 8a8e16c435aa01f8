"""Loop lag: the summary, with and without xdist, and what it is made of."""

from __future__ import annotations

import re

import pytest

from pytest_asyncfastapi._concurrency.loop_lag import loop_lag

APP = """
import asyncio, time
from fastapi import FastAPI
app = FastAPI()

@app.get("/long")
async def long():
    end = time.perf_counter() + 0.03
    while time.perf_counter() < end:
        pass
    return {}
"""
TESTS = """
async def test_long(asgi_client):
    assert (await asgi_client.get("/long")).status_code == 200

async def test_short(asgi_client):
    assert (await asgi_client.get("/")).status_code == 404

def test_not_async():
    pass
"""


def test_the_lag_of_steps_is_their_longest_and_their_99th_percentile():
    lag = loop_lag([0.001] * 98 + [0.5, 0.002])
    assert (lag.steps, lag.p99, lag.longest) == (100, 0.002, 0.5)
    assert str(lag) == "max 500 ms, p99 2 ms (100 steps)"
    assert loop_lag([]) is None


@pytest.mark.parametrize("flags", [(), ("-n", "2")], ids=["here", "xdist"])
def test_the_slowest_tests_are_shown(projects, flags):
    plugins = "asyncio xdist" if flags else "asyncio"
    flags = ("--asyncfastapi-loop-lag=1", *flags)
    report = projects.run(*flags, plugins=plugins, app=APP, test_it=TESTS)
    report.outcome(passed=3)
    told = report.output.partition("slowest 1 loop lags")[2]
    (line,) = re.findall(r"^max .*$", told, re.MULTILINE)
    assert re.match(r"max \d+(\.\d+)? (ms|s) +p99 \S+ m?s +\d+ steps  test_it.py::test_", line)


def test_all_async_tests_are_measured_and_others_are_not(projects):
    report = projects.run("--asyncfastapi-loop-lag=9", app=APP, test_it=TESTS)
    told = dict(
        reversed(found)
        for found in re.findall(r"^max (\d.*?)  .*  (test_it\S+)$", report.output, re.MULTILINE)
    )
    assert set(told) == {"test_it.py::test_long", "test_it.py::test_short"}
    number, unit = told["test_it.py::test_long"].split()
    assert float(number) * {"ms": 1, "s": 1000}[unit] >= 30


def test_without_the_guard_nothing_is_measured_and_said(projects):
    flags = ("--asyncfastapi-loop-lag=3", "--asyncfastapi-blocking=off")
    report = projects.run(*flags, app=APP, test_it=TESTS)
    report.outcome(passed=3)
    assert "none measured: no test ran under the blocking guard" in report.output


def test_a_number_below_zero_is_refused(projects):
    report = projects.run("--asyncfastapi-loop-lag=-1", app=APP, test_it=TESTS)
    assert "--asyncfastapi-loop-lag: '-1' is less than 0" in report.output


UVLOOP = """
import asyncio
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return ("asyncio", {"use_uvloop": True})

async def test_there(asgi_client):
    await asyncio.sleep(0)
"""


def test_on_uvloop_nothing_is_measured_and_the_reason_is_given(projects):
    """Its steps are taken in C; on asyncio's own loop there is no such note."""
    pytest.importorskip("uvloop")
    report = projects.run("--asyncfastapi-loop-lag=3", app=APP, test_it=UVLOOP)
    report.outcome(passed=1)
    assert "loop lag: not measured on uvloop, which takes its steps in C" in report.output
    own = UVLOOP.replace('"use_uvloop": True', '"use_uvloop": False')
    report = projects.run("--asyncfastapi-loop-lag=3", app=APP, test_it=own)
    report.outcome(passed=1)
    assert "uvloop" not in report.output.partition("slowest")[2]
