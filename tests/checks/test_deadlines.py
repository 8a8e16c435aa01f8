"""Whether a timeout of the app's own runs: each way to write one, and what is none."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio

from pytest_asyncfastapi._core.deadlines import has_deadline

if TYPE_CHECKING:
    from collections.abc import Callable


async def _ask() -> bool:
    return has_deadline()


async def _timeout() -> bool:
    async with asyncio.timeout(5):
        return has_deadline()


async def _wait() -> bool:
    (done,), _ = await asyncio.wait([asyncio.create_task(_ask())], timeout=5)
    return done.result()


async def _fail_after() -> bool:
    with anyio.fail_after(5):
        return has_deadline()


async def _around_a_task() -> bool:
    async with asyncio.timeout(5):
        return await asyncio.create_task(_ask())


async def _over() -> bool:
    async with asyncio.timeout(5):
        await asyncio.sleep(0)
    return has_deadline()


async def _without_an_end() -> bool:
    async with asyncio.timeout(None):
        return has_deadline()


async def _sleeping_beside() -> bool:
    task = asyncio.create_task(asyncio.sleep(5))
    await asyncio.sleep(0)
    try:
        return has_deadline()
    finally:
        task.cancel()


async def _in_a_thread() -> bool:
    async with asyncio.timeout(5):
        return await asyncio.to_thread(has_deadline)


@pytest.mark.parametrize(
    "ask", [_timeout, _wait, _fail_after, _around_a_task, lambda: asyncio.wait_for(_ask(), 5)]
)
def test_a_timeout_of_the_apps_own(ask: Callable[[], Any]) -> None:
    assert asyncio.run(ask()) is True


@pytest.mark.parametrize("ask", [_ask, _over, _without_an_end, _sleeping_beside, _in_a_thread])
def test_none(ask: Callable[[], Any]) -> None:
    """In a thread it does not help: nothing ends what the thread waits for."""
    assert asyncio.run(ask()) is False


def test_on_trio() -> None:
    async def bounded() -> bool:
        with trio.fail_after(5):
            return has_deadline()

    assert trio.run(bounded) is True
    assert trio.run(_ask) is False


def test_without_a_loop() -> None:
    assert has_deadline() is False


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not exist there")
def test_where_it_cannot_be_known_there_may_be_one() -> None:
    """uvloop keeps its timers in C."""
    uvloop = pytest.importorskip("uvloop")
    assert uvloop.run(_ask()) is True
