"""A loop that never rests: time must not stand still for whoever polls."""

from __future__ import annotations

import asyncio
from time import thread_time

import anyio
import pytest

BACKENDS = [pytest.param(name, id=name) for name in ("asyncio", "trio")]


@pytest.mark.parametrize("anyio_backend", BACKENDS)
async def test_polling_ends_with_the_timer_that_it_waits_for(anyio_backend, clock):
    """`sleep(0)` until something has happened, a little later."""
    done = anyio.Event()

    async def later():
        await anyio.sleep(0.4)
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(later)
        while not done.is_set():
            await anyio.sleep(0)
    assert clock.elapsed >= 0.4
    assert any("test_restless.py" in note and "sleep(0)" in note for note in clock.notes)
    clock.notes.clear()  # it was wanted, and is nothing to know of this suite


async def test_a_long_timer_is_reached_too(clock):
    """Time moves faster and faster: a poll of minutes takes seconds of processor time."""
    began = thread_time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(8):
            while True:
                await asyncio.sleep(0)
    assert clock.elapsed == 8
    assert thread_time() - began < 6
    assert any("test_restless.py" in note for note in clock.notes)
    clock.notes.clear()


@pytest.mark.parametrize("anyio_backend", BACKENDS)
async def test_many_steps_of_work_do_not_move_time(anyio_backend, clock):
    """As many as a busy program takes between two waits."""
    with anyio.fail_after(0.01):
        for _ in range(5000):
            await anyio.sleep(0)
    assert clock.elapsed == 0
    await anyio.sleep(1)
    assert clock.elapsed == 1
    assert not clock.notes
