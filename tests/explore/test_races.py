"""The five planted races: never found in the ordinary order, soon found by a seed, replayed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from pytest_asyncfastapi import ScheduleFailure
from tests.explore.races import RACES
from tests.explore.running import explored, ordinarily

NAMES = list(RACES)
SHOW = """
from tests.explore.running import explored
from tests.explore.races import RACES

for name in RACES:
    print(name, explored(RACES[name](False), shrink=False).trace)
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_ordinary_order_shows_nothing(name):
    """Five runs on an untouched loop pass, and so does the ordinary order while exploring."""
    for _ in range(5):
        ordinarily(RACES[name](False))
    assert explored(RACES[name](False), replay="fifo").schedules == 1


@pytest.mark.parametrize(("policy", "bar"), [("random", 10), ("pct", 8)])
@pytest.mark.parametrize("name", NAMES)
def test_a_few_seeds_find_it(name, policy, bar):
    """The median of five searches, each with seeds of its own."""
    tried = []
    for search in range(5):
        found = explored(
            RACES[name](False), seeds=200, start=search * 200, policy=policy, shrink=False
        )
        assert isinstance(found, ScheduleFailure)
        tried.append(found.tried)
    assert median(tried) <= bar


@pytest.mark.parametrize("policy", ["random", "pct"])
@pytest.mark.parametrize("name", NAMES)
def test_the_sound_variant_is_clean(name, policy):
    """No schedule breaks it."""
    result = explored(RACES[name](True), seeds=24, policy=policy)
    assert not isinstance(result, ScheduleFailure), result
    assert result.schedules == 25
    assert result.distinct > 12


@pytest.mark.parametrize("name", NAMES)
def test_a_failing_schedule_replays(name):
    """The same token fails with the same trace, three times of three; so does the smallest one."""
    found = explored(RACES[name](False))
    assert "not sure" not in str(found)
    for _ in range(3):
        again = explored(RACES[name](False), replay=found.schedule)
        assert (again.trace, again.schedule) == (found.trace, found.schedule)
    small = explored(RACES[name](False), replay=found.shortest)
    assert isinstance(small, ScheduleFailure)
    assert small.interleaving == found.interleaving


def test_traces_are_the_same_in_every_process():
    """Whatever the hash seed, with worker threads and a database in play."""
    outputs = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SHOW],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == len(NAMES)


def test_a_deadlock_is_a_finding_of_its_seed():
    """Who waits for which lock, at the user's lines; not the client's timeout."""
    text = str(explored(RACES["lock order"](False)))
    assert "Deadlock: no task can run" in text
    assert "'POST /ship' waits:" in text
    assert "'POST /cancel' waits:" in text
    assert "async with second:" in text


def test_the_interleaving_shows_who_ran_when():
    """The overtaking is there: /take reads before /deliver has written."""
    found = explored(RACES["lost update"](False))
    rows = [line.split(maxsplit=3) for line in found.interleaving.splitlines()]
    told = [(row[2], row[3]) for row in rows if row[0].isdigit() and row[1] == "POST"]
    reads = next(i for i, (who, what) in enumerate(told) if who == "/take" and "change:" in what)
    starts = next(
        i for i, (who, what) in enumerate(told) if who == "/deliver" and "change:" in what
    )
    ends = {who: i for i, (who, what) in enumerate(told) if what == "ends"}
    assert reads < ends["/deliver"]
    assert starts < ends["/take"]
    assert "races.py:" in found.interleaving
    assert "def checked_in_a_thread():" in found.interleaving
