"""Calls for metadata of files that come to less than a millisecond in a step.

The default profile accepts them up to its threshold for steps. To report one takes longer than the
call; so the guard of a test that asks nothing of it begins with what exceeds a millisecond.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from pytest_asyncfastapi._blocking import BlockingGuard, dispatcher
from pytest_asyncfastapi._core.findings import Finding
from tests.blocking.conftest import Watch


class Skipping(Watch):
    """As the plugin makes the guard of a test that does not ask for it."""

    def guard(self, **policy) -> BlockingGuard:
        guard = super().guard(**policy)
        guard.needs_all_calls = False
        return guard


@pytest.fixture
def skipping(watch, disk):
    made = Skipping()
    yield made
    for guard in made.guards:
        guard.stop()


@pytest.fixture
def disk(monkeypatch):
    """The guard's clock goes on with each look at it only: so long, in seconds, takes a call."""

    class Disk:
        takes = 0.00001
        now = time.perf_counter()
        thread = threading.get_ident()

        def perf_counter(self) -> float:
            if threading.get_ident() == self.thread:  # and not the watchdog
                self.now += self.takes
            return self.now

    made = Disk()
    monkeypatch.setattr(dispatcher.thread_stats, "perf_counter", made.perf_counter)
    return made


def of_metadata(guard: BlockingGuard) -> list[Finding]:
    """Without what the step timer makes of such a clock."""
    return [item for item in guard.findings() if item.data["category"] == "file_metadata"]


def look(path: object, times: int) -> None:
    for _ in range(times):
        os.stat(path)


def test_a_few_quick_calls_are_not_reported(skipping, watch, tmp_path):
    async def body():
        look(tmp_path, 3)

    assert skipping(body).calls == []
    assert len(watch(body).calls) == 3


def test_a_call_that_takes_long_is_found(skipping, disk, tmp_path):
    disk.takes = 0.06

    async def body():
        look(tmp_path, 1)

    (found,) = of_metadata(skipping(body))
    assert found.severity == "error"
    assert found.where.function == "look"
    assert found.title.startswith("blocking call: os.stat")
    assert found.data["duration"] > 0.05


def test_many_calls_that_add_up_are_found(skipping, disk, tmp_path):
    """By a library below one line of the user's: one call of it, and its time is their sum."""
    disk.takes = 0.0002
    for number in range(100):
        (tmp_path / str(number)).mkdir()

    async def body():
        for _, directories, _ in os.walk(tmp_path):
            assert directories is not None

    (found,) = of_metadata(skipping(body, step_threshold=0.01))
    assert found.where.function.endswith("body")


def test_a_call_that_fails_is_over(skipping, tmp_path):
    async def body():
        for _ in range(3):
            with pytest.raises(FileNotFoundError):
                os.stat(tmp_path / "nothing")
        open(__file__).close()

    assert [call.name for call in skipping(body).calls] == ["open"]


def test_each_step_begins_anew(skipping, disk, tmp_path):
    disk.takes = 0.0002

    async def body():
        for _ in range(10):
            look(tmp_path, 2)
            await asyncio.sleep(0)

    assert skipping(body).calls == []


def test_the_audit_event_of_such_a_call_is_not_one_of_its_own(skipping, tmp_path):
    async def body():
        os.listdir(tmp_path)
        (tmp_path / "made").mkdir()

    assert skipping(body).calls == []


def test_and_it_has_the_argument(skipping, disk, tmp_path):
    """Which a profile function, on Python 3.11, does not get."""
    disk.takes = 0.06

    async def body():
        os.listdir(tmp_path)

    (call,) = skipping(body).calls
    assert call.args.startswith(f"'{str(tmp_path)[:20]}")


TESTS = """
import os
from pytest_asyncfastapi._blocking.dispatcher import DISPATCHER

def needs_all_calls():
    (guard,) = DISPATCHER.listeners
    return guard.needs_all_calls

async def test_nothing(asgi_client):
    assert needs_all_calls() == {expected}

async def test_asks(blocking, tmp_path):
    os.stat(tmp_path)
    assert [call.name for call in blocking.calls] == ["os.stat"]
"""
APP = """
from fastapi import FastAPI
app = FastAPI()
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), False),
        (("--asyncfastapi-blocking-profile=strict",), True),
        (("--asyncfastapi-allow-blocking=file_metadata@shop",), True),
        (("--asyncfastapi-blocking-category=file_metadata=fail",), True),
        (("--asyncfastapi-blocking-category=file=fail",), False),
        (("--asyncfastapi-html=report.html",), True),
    ],
)
def test_who_needs_all_calls(pytester, options, expected):
    """Whoever could say more of them than that they are quick."""
    pytester.makepyfile(TESTS.format(expected=expected), app=APP)
    failed = int("strict" in str(options) or "metadata=fail" in str(options))
    result = pytester.runpytest("--asyncfastapi-app=app:app", *options)
    result.assert_outcomes(passed=2 - failed, failed=failed)
