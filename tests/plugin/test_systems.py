"""Other operating systems: what is said of them, and what the guard still finds."""

from __future__ import annotations

import asyncio
import time

import pytest

from pytest_asyncfastapi import systems
from pytest_asyncfastapi.blocking import BlockingGuard, BlockingPolicy, kernel
from pytest_asyncfastapi.frames import UserCode

WITHOUT = "asyncfastapi: this system has no /proc"


@pytest.mark.parametrize(("mode", "there", "said"), [
    ("fail", False, 1), ("warn", False, 1), ("off", False, 0), ("fail", True, 0),
])  # fmt: skip
def test_the_header_says_once_what_is_not_watched(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str, there: bool, said: int
) -> None:
    """Only where something is missing, and only of a guard that is on."""
    monkeypatch.setattr(systems, "_FIGURES", __file__ if there else "/nowhere")
    pytester.makeini(f"[pytest]\nasyncfastapi_blocking = {mode}\n")
    pytester.makepyfile("def test_it(): pass")
    lines = pytester.runpytest_inprocess().outlines
    assert sum(line.startswith(WITHOUT) for line in lines) == said


@pytest.fixture
def other_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """No /proc, and no clock of another thread's CPU time, as on macOS and Windows."""
    monkeypatch.setattr(kernel, "_PROC", False)
    monkeypatch.setattr(kernel, "_rusage", None)
    monkeypatch.setattr(kernel, "_cpu_clock", lambda ident: None)


def computes(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(2000))


def judged(function) -> list[str]:
    """The lines of what is found, relative to the function's first."""
    policy = BlockingPolicy(profile="strict", step_threshold=0.05, cpu_threshold=0.05)
    guard = BlockingGuard(policy, UserCode(__file__), test="test_it")
    found = []

    def run() -> None:  # a thread of its own, whose figures nobody has read yet
        with guard:
            asyncio.run(function())
        found.extend(guard.findings())

    import threading

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return [str(each.data["category"]) for each in found]


def test_computing_is_found_there(other_system) -> None:
    """By the thread's own CPU clock, in the first step and in later ones."""

    async def at_once() -> None:
        computes(0.12)

    async def later() -> None:
        for _ in range(10):
            await asyncio.sleep(0.01)
        computes(0.12)

    assert judged(at_once) == ["cpu"]
    assert judged(later) == ["cpu"]


def test_short_steps_are_nothing_there(other_system) -> None:
    """Its twin: much is computed, and never for long without an await."""

    async def steps() -> None:
        for _ in range(20):
            computes(0.01)
            await asyncio.sleep(0)

    assert judged(steps) == []
