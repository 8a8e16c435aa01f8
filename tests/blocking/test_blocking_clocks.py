"""What replaces clocks in a test does not reach those that the plugin measures with."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import freezegun
import pytest

import pytest_asyncfastapi
from pytest_asyncfastapi import open_app
from tests import pages

# These follow the time of the test on purpose, or the threads that the app itself reads clocks on.
FOLLOW = ("pytest_asyncfastapi._clock.patched_time",)


async def app(scope, receive, send):
    if scope["path"] == "/slow":
        time.sleep(0.005)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_no_module_of_ours_holds_a_clock_that_freezegun_replaces() -> None:
    """It looks through the attributes of all modules, so that `from time import x` is no help."""
    for found in pkgutil.walk_packages(pytest_asyncfastapi.__path__, "pytest_asyncfastapi."):
        importlib.import_module(found.name)
    ours = [name for name in sys.modules if name.startswith("pytest_asyncfastapi.")]
    with freezegun.freeze_time("2020-01-01"):
        assert time.perf_counter.__module__ == "freezegun.api"
        replaced = [
            f"{name}.{attribute}"
            for name in ours
            for attribute, value in vars(sys.modules[name]).items()
            if getattr(value, "__module__", "") == "freezegun.api" and name not in FOLLOW
            and not isinstance(value, type)  # `datetime` itself, for what is shown to people
        ]  # fmt: skip
    assert replaced == []


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_a_frozen_clock_makes_no_finding(watch, profile) -> None:
    """Frozen in the midst of a step, which began when it was another year."""

    async def run():
        async with open_app(app) as client:
            with freezegun.freeze_time("2020-01-01", real_asyncio=True):
                await client.get("/")
            await client.get("/")

    run_once = watch(run, profile=profile)  # what freezegun imports the first time is not ours
    guard = watch(run, profile=profile)
    assert guard.findings() == []
    assert max(run_once.step_times() + guard.step_times()) < 60


def test_a_call_under_a_frozen_clock_takes_the_time_that_it_takes(watch) -> None:
    """Found as before, with its own duration."""

    async def run():
        async with open_app(app) as client:
            with freezegun.freeze_time("2020-01-01", real_asyncio=True):
                await client.get("/slow")

    (call,) = [call for call in watch(run).calls if call.category == "sleep"]
    assert call.activity == "GET /slow"
    assert 0.004 < call.duration < 60


def test_the_loads_loop_lag_is_real_under_a_frozen_clock(pytester: pytest.Pytester) -> None:
    """Steps are measured by the same clock."""
    pytester.makepyfile(
        app="""
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        """,
        test_it="""
        import freezegun

        async def test_load(asgi_client, load):
            with freezegun.freeze_time("2030-01-01", real_asyncio=True):
                report = await load(lambda: asgi_client.get("/"), n=5, concurrency=2)
            assert "e+0" not in str(report)
        """,
    )
    pytester.makeini(f"{pages.INI}asyncfastapi_app = app:app\nasyncfastapi_blocking_profile=strict")
    # To freeze the clock is to go through all modules, which takes long on a busy machine.
    ample = ("-o", "asyncfastapi_cpu_threshold=60s")
    pytester.runpytest_subprocess("-q", *ample).assert_outcomes(passed=1)
