"""`scheduled(token)` around the body of a test."""

from __future__ import annotations

import asyncio

import pytest

from pytest_asyncfastapi import VirtualClock
from pytest_asyncfastapi._clock import ClockError
from pytest_asyncfastapi._explore.schedules.body import scheduled
from tests.explore.races import RACES


def run_body(body, token, **options):
    """Its error, if any, and what became of it."""

    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            with scheduled(token, note=print, **options) as what:
                try:
                    await body()
                except (AssertionError, asyncio.CancelledError) as error:
                    return error, what
            return None, what
        finally:
            clock.uninstall()

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["lost update", "lock order"])
def test_a_seed_finds_the_race_and_its_changes_do_too(name):
    """The ordinary order passes; a failing seed fails again, by its token and by its changes."""
    assert run_body(RACES[name](False), "fifo")[0] is None
    for seed in range(100):
        error, what = run_body(RACES[name](False), f"random-{seed}")
        if error is not None:
            break
    assert error is not None
    assert bool(what.stuck) is (name == "lock order")
    again = run_body(RACES[name](False), f"random-{seed}")
    assert again[1].trace == what.trace
    changes = "".join(f"@{number}:{lane}" for number, lane in what.changes)
    error, same = run_body(RACES[name](False), f"fifo-{seed}{changes}")
    assert error is not None
    assert same.trace == what.trace


def test_without_virtual_time_one_sentence():
    async def main():
        with scheduled("fifo", note=print):
            pass

    with pytest.raises(ClockError, match="in virtual time only: install a clock first"):
        asyncio.run(main())
