"""A coroutine, step by step: what is looked up while it is cancelled again and again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pytest_asyncfastapi._core.frames import UserCode
from pytest_asyncfastapi._explore import await_steps
from pytest_asyncfastapi._explore.await_steps import CoroutineStepper

USER = UserCode(Path(__file__).parents[2])


async def stubborn(times: int) -> None:
    """Cleans up for so many cancellations, and for one more at another line."""
    try:
        await asyncio.sleep(0)
    finally:
        for _ in range(times):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                pass
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # cut off here


def cancelled_often(times: int) -> tuple[CoroutineStepper, int]:
    """The coroutine after that many cancellations and two more, and how often it was looked up."""
    stepped, looks = CoroutineStepper(stubborn(times), USER), 0
    stock = stepped.where

    def where() -> object:
        nonlocal looks
        looks += 1
        return stock()

    stepped.where = where  # type: ignore[method-assign,assignment]
    running = stepped.__await__()
    running.send(None)
    for _ in range(times + 1):
        running.throw(asyncio.CancelledError())
    running.send(None)  # it goes on by itself once
    with pytest.raises(asyncio.CancelledError):
        running.throw(asyncio.CancelledError())
    return stepped, looks


def test_where_it_is_cut_off_is_known_by_line() -> None:
    """That of the loop, and that at which the last cancellation has met it."""
    stepped, _ = cancelled_often(3)
    assert [line.source.partition("  #")[0] for line in stepped.cut_off] == [
        "await asyncio.sleep(0)",
        "await asyncio.sleep(0)",
    ]
    assert stepped.cut_off[1].source.endswith("# cut off here")


def test_a_cancellation_delivered_in_each_step_is_looked_up_some_times() -> None:
    """Each look walks the await chain: a scope delivers thousands until a database answers."""
    stepped, looks = cancelled_often(400)
    assert looks <= await_steps._MAX_LOOKS + 1
    assert len(stepped.cut_off) == 2
