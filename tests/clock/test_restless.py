"""A loop that never rests: time must not stand still for whoever polls."""

from __future__ import annotations

import asyncio
from time import thread_time

import anyio
import pytest

from pytest_asyncfastapi._clock import jump_policy
from pytest_asyncfastapi._clock.jump_policy import JumpPolicy
from pytest_asyncfastapi._clock.timeline import Timeline

BACKENDS = [pytest.param(name, id=name) for name in ("asyncio", "trio")]


@pytest.fixture
def doubled_often(monkeypatch):
    """A tenth of the processor time that it takes a user's loop."""
    monkeypatch.setattr(jump_policy, "_DOUBLED_EVERY", 0.05)


@pytest.mark.usefixtures("doubled_often")
@pytest.mark.parametrize("anyio_backend", BACKENDS)
async def test_polling_ends_with_the_timer_that_it_waits_for(anyio_backend, clock):
    """`sleep(0)` until something has happened, a little later."""
    done = anyio.Event()

    async def later():
        await anyio.sleep(2)
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(later)
        while not done.is_set():
            await anyio.sleep(0)
    assert clock.elapsed >= 2
    assert any("test_restless.py" in note and "sleep(0)" in note for note in clock.notes)
    clock.notes.clear()  # it was wanted, and is nothing to know of this suite


@pytest.mark.usefixtures("doubled_often")
async def test_a_long_timer_is_reached_too(clock):
    """Time moves faster and faster: a poll of minutes takes seconds of processor time."""
    began = thread_time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            while True:
                await asyncio.sleep(0)
    assert clock.elapsed == 60
    assert thread_time() - began < 20
    assert any("test_restless.py" in note for note in clock.notes)
    clock.notes.clear()


class OneTimer(Timeline):
    """With a timer in a year."""

    def next_timer(self):
        return 0, 3e7

    def new_waiter(self):
        raise NotImplementedError


def test_an_hour_takes_six_seconds_of_processor_time(monkeypatch):
    """At first it moves as fast as the processor's clock."""
    used = 0.0
    monkeypatch.setattr(jump_policy, "thread_time", lambda: used)
    timeline, notes = OneTimer(0.0), []
    policy = JumpPolicy(timeline, notes, freeze_bound=1.0, policy="freeze")
    seconds = {}
    while timeline.now < 3600:
        policy.on_busy_loop(lambda: "here")
        seconds[round(used, 2)] = timeline.now
        used += 0.01
    assert seconds[0.4] == pytest.approx(0.4)
    assert seconds[1.0] == pytest.approx(1.5, abs=0.1)
    assert 5.9 < used < 6.5
    assert len(notes) == 1


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
