"""`clock.patch_time()`: what it refuses, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from pytest_asyncfastapi._clock import ClockError, VirtualClock

NAMES = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")


def test_it_is_off_by_default_and_ends_with_the_clock(virtually):
    """Nothing is patched until asked for, and everything is restored by uninstall()."""
    before = [getattr(time, name) for name in NAMES]

    async def body(clock):
        assert [getattr(time, name) for name in NAMES] == before
        clock.patch_time()
        assert not any(
            getattr(time, name) is real for name, real in zip(NAMES, before, strict=True)
        )

    virtually(body)
    assert [getattr(time, name) for name in NAMES] == before


def test_asked_twice_it_is_one_patch(virtually):
    """The second patch takes the place of the first."""
    real = time.time

    async def body(clock):
        clock.patch_time()
        with clock.patch_time() as patched:
            assert "of time" in repr(patched)
        assert time.time is real
        assert repr(patched) == "<PatchedTime is over>"

    virtually(body)


def test_other_threads_see_real_time(virtually):
    """Only the loop's thread lives in virtual time."""

    async def body(clock):
        clock.patch_time()
        mine = time.monotonic()
        await asyncio.sleep(3600)
        assert time.monotonic() - mine == pytest.approx(3600, abs=1e-6)
        theirs = []
        thread = threading.Thread(target=lambda: theirs.append(time.monotonic()))
        thread.start()
        thread.join()
        assert theirs[0] - mine < 1800

    virtually(body)


def test_our_own_stopwatches_go_on_in_real_time(virtually):
    """A thread's work is measured for real while perf_counter is virtual."""

    async def body(clock):
        clock.patch_time()
        async with asyncio.timeout(60):
            await asyncio.to_thread(time.sleep, 0.1)
        assert clock.real_waited > 0.05
        assert clock.elapsed == 0.0

    virtually(body)


def test_a_function_that_somebody_replaced_since_stays_theirs(virtually, monkeypatch):
    """restore() takes off what is ours only."""

    def theirs():
        return 1.0

    async def body(clock):
        with clock.patch_time():
            monkeypatch.setattr(time, "time", theirs)
        assert time.time is theirs

    virtually(body)


def test_datetime_without_time_machine_is_one_sentence(virtually, monkeypatch):
    """The package and the remedy are named; nothing is patched."""
    monkeypatch.setitem(sys.modules, "time_machine", None)
    real = time.time

    async def body(clock):
        with pytest.raises(ClockError, match="needs time-machine.*pip install time-machine"):
            clock.patch_time(datetime=True)
        assert time.time is real

    virtually(body)


def test_datetime_is_given_back(virtually):
    """Real time again after the clock, although time-machine reaches every thread."""
    pytest.importorskip("time_machine")
    real = datetime.now(UTC)

    async def body(clock):
        clock.patch_time(datetime=True)
        await asyncio.sleep(7 * 86400)
        assert (datetime.now(UTC) - real).days >= 7
        assert (await asyncio.to_thread(datetime.now, UTC) - real).days >= 7

    virtually(body)
    assert (datetime.now(UTC) - real).days == 0


def test_without_a_clock_there_is_nothing_to_tell():
    """patch_time() outside the clock's own loop is refused with the remedy."""
    with pytest.raises(ClockError, match=r"patch_time\(\) needs the clock on the running loop"):
        VirtualClock().patch_time()
