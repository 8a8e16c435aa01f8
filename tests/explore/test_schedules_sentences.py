"""What is wrongly asked for gets one sentence."""

from __future__ import annotations

import asyncio
import re

import pytest

from pytest_asyncfastapi import explore_schedules
from pytest_asyncfastapi._explore.schedules.token import Schedule, parse, schedules


async def nothing():
    pass


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"policy": "dfs"}, "policy='dfs' must be one of auto, random, pct"),
        ({"seeds": 0}, "seeds=0 must be a whole number, 1 or more"),
        ({"seeds": True}, "seeds=True must be a whole number, 1 or more"),
        ({"replay": "17"}, "'17' is not a schedule; write random-17, pct-17x40"),
        ({"replay": "pct-17"}, "'pct-17' is not a schedule"),
        ({"replay": "random-1@3:4"}, "is not a schedule"),
        ({"invariant": True}, "invariant must be a function"),
    ],
)
def test_arguments(options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        asyncio.run(explore_schedules(nothing, **options))


def test_a_coroutine_is_no_scenario():
    with pytest.raises(ValueError, match=r"called once for every schedule; got a coroutine"):
        asyncio.run(explore_schedules(nothing()))


def test_one_exploration_at_a_time():
    async def scenario():
        with pytest.raises(RuntimeError, match="one at a time"):
            await explore_schedules(nothing, seeds=1)

    asyncio.run(explore_schedules(scenario, seeds=1))


def test_trio_is_refused():
    trio = pytest.importorskip("trio")
    with pytest.raises(RuntimeError, match="trio chooses the order of its tasks itself"):
        trio.run(explore_schedules, nothing)


@pytest.mark.parametrize("token", ["random-3", "pct-3x40", "fifo", "fifo-9", "fifo-2@1:3@40:1"])
def test_a_token_is_read_as_it_is_written(token):
    assert str(parse(token)) == token


def test_auto_is_a_random_walk_first_and_then_pct():
    made = schedules(5, start=10, length=30)
    assert [str(one) for one in made] == [
        "random-10",
        "random-11",
        "random-12",
        "pct-13x30",
        "pct-14x30",
    ]
    assert schedules([4, 9], "random") == [Schedule("random", 4), Schedule("random", 9)]


@pytest.mark.parametrize("token", ["fifo@0:0", "pct-1x10", "random-1"])
def test_no_order_lets_a_lane_that_polls_keep_the_others_waiting(token: str) -> None:
    """A callback that puts itself back forever (anyio, cancelling again) is always ready."""
    policy = parse(token).policy()
    assert 1 in {policy.choose([0, 1], 1) for _ in range(1000)}
