"""Time jumps exactly to the next timer, in order."""

from __future__ import annotations

import asyncio
import math
import time

import anyio
import pytest

from pytest_asyncfastapi._clock import ClockError, VirtualClock


def test_sleep_is_exact_and_takes_no_wall_time(virtually):
    """An hour of sleep is exactly 3600.0 s of virtual time."""

    async def body(clock):
        assert clock.time() == 0.0
        await asyncio.sleep(3600)
        assert clock.time() == clock.elapsed == 3600.0

    started = time.perf_counter()
    virtually(body)
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize("sleep", [asyncio.sleep, anyio.sleep])
def test_many_sleeps_add_up_without_drift(virtually, sleep):
    """A thousand sleeps of 0.1 s are exactly 100.0 s."""

    async def body(clock):
        for _ in range(1000):
            await sleep(0.1)
        assert clock.time() == 100.0

    virtually(body)


def test_parallel_sleeps_take_the_longest(virtually):
    """Ten sleeps of one second side by side are exactly 1.0 s."""

    async def body(clock):
        await asyncio.gather(*(asyncio.sleep(1) for _ in range(10)))
        assert clock.time() == 1.0

    virtually(body)


def test_every_kind_of_timeout_fires_exactly(virtually):
    """wait_for, timeout, fail_after and move_on_after fire at their deadline."""

    async def body(clock):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60), 1.5)
        assert clock.time() == 1.5
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.Event().wait()
        assert clock.time() == 1.8
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.2):
                await anyio.sleep(60)
        assert clock.time() == 2.0
        with anyio.move_on_after(3) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert clock.time() == 5.0

    virtually(body)


def test_a_timeout_that_is_long_enough_never_fires(virtually):
    """Work that ends before its deadline ends; the timer is forgotten."""

    async def body(clock):
        async with asyncio.timeout(10):
            with anyio.fail_after(9.5):
                await asyncio.wait_for(asyncio.sleep(9), 9.25)
        assert clock.time() == 9.0
        await asyncio.sleep(5)
        assert clock.time() == 14.0

    virtually(body)


def test_equal_deadlines_fire_first_in_first_out(virtually):
    """Timers for the same moment run in the order in which they were set."""

    async def body(clock):
        loop = asyncio.get_running_loop()
        fired = []
        for number in range(200):
            loop.call_later(1 if number % 2 else 0.25 + 0.75, fired.append, number)
        await asyncio.sleep(2)
        assert fired == list(range(200))

    virtually(body)


def test_moments_that_are_mathematically_equal_are_equal(virtually):
    """0.1 + 0.2 and 0.3 are the same moment, in the order of setting."""

    async def body(clock):
        order = []

        async def steps(name, *durations):
            for duration in durations:
                await asyncio.sleep(duration)
            order.append((name, clock.time()))

        await asyncio.gather(steps("thirds", 0.3), steps("sum", 0.1, 0.2), steps("again", 0.3))
        assert order == [("thirds", 0.3), ("again", 0.3), ("sum", 0.3)]

    virtually(body)


def test_timers_set_before_install_stay_in_order(virtually):
    """A stock timer and a virtual one for the same time fire in the order of setting."""

    async def main():
        from pytest_asyncfastapi._clock import VirtualClock

        loop = asyncio.get_running_loop()
        fired = []
        when = loop.time() + 100
        loop.call_at(when, fired.append, "stock")
        clock = VirtualClock()
        clock.install()
        loop.call_at(when, fired.append, "ours")
        loop.call_at(when - 1, fired.append, "earlier")
        await asyncio.sleep(200)
        assert fired == ["earlier", "stock", "ours"]
        clock.uninstall()

    asyncio.run(main())


def test_hundreds_of_cancelled_timers_are_skipped(virtually):
    """Cancelled timers neither fire nor hold time back."""

    async def body(clock):
        loop = asyncio.get_running_loop()
        fired = []
        timers = [loop.call_later(number, fired.append, number) for number in range(1, 901)]
        for timer in timers:
            if timer is not timers[449]:
                timer.cancel()
        await asyncio.sleep(1000)
        assert fired == [450]
        assert clock.time() == 1000.0

    virtually(body)


def test_nested_timeouts_with_one_deadline(virtually):
    """Of two timeouts for the same moment the outer one, set first, wins."""

    async def body(clock):
        inner = outer = None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5) as outer:
                async with asyncio.timeout(5) as inner:
                    await asyncio.sleep(60)
        assert outer.expired()
        assert clock.time() == 5.0
        assert inner is not None

    virtually(body)


def test_debug_mode(virtually):
    """The loop's debug mode works on virtual timers."""

    async def body(clock):
        asyncio.get_running_loop().set_debug(True)
        await asyncio.sleep(5)
        assert clock.time() == 5.0
        with pytest.raises(TypeError):
            asyncio.get_running_loop().call_at(None, print)

    virtually(body)


def test_a_sleep_without_end_is_no_timer(virtually):
    """sleep(inf) neither moves time nor hides a timer."""

    async def body(clock):
        forever = asyncio.create_task(asyncio.sleep(math.inf))
        await asyncio.sleep(7)
        assert clock.time() == 7.0
        forever.cancel()

    virtually(body)


def test_a_timer_is_reached_not_only_approached(virtually):
    """A loop `while time() < deadline: sleep(rest)` ends, at its deadline."""

    async def body(clock):
        loop = asyncio.get_running_loop()
        for _ in range(300):
            deadline = loop.time() + 0.1
            while loop.time() < deadline:
                await asyncio.sleep(deadline - loop.time())
        assert clock.time() == 30.0

    virtually(body)


class TestAdvance:
    def test_everything_due_runs_in_order(self, virtually):
        """advance("3s") lets a ticker tick at 1, 2 and 3 s, and returns at 3.0."""

        async def body(clock):
            ticks = []

            async def ticker():
                while True:
                    await asyncio.sleep(1)
                    await asyncio.sleep(0)
                    ticks.append(clock.time())

            task = asyncio.create_task(ticker())
            await clock.advance("3s")
            assert ticks == [1.0, 2.0, 3.0]
            assert clock.time() == 3.0
            await clock.advance(0.05)
            assert clock.time() == 3.05
            task.cancel()

        virtually(body)

    def test_no_timer_is_needed(self, virtually):
        """advance() is no deadlock, even when nothing else is going on."""

        async def body(clock):
            await clock.advance("2m")
            await clock.advance(0)
            assert clock.time() == 120.0

        virtually(body)

    def test_worker_threads_are_waited_for(self, virtually):
        """What a thread delivers at a moment is delivered before advance() returns."""

        async def body(clock):
            done = []

            async def job():
                await asyncio.sleep(1)
                await asyncio.to_thread(time.sleep, 0.05)
                done.append(clock.time())

            task = asyncio.create_task(job())
            await clock.advance(1)
            assert done == [1.0]
            await task

        virtually(body)

    def test_bad_durations_are_refused(self, virtually):
        """A text that is no duration is a ValueError with a sentence."""

        async def body(clock):
            with pytest.raises(ValueError, match="not a duration"):
                await clock.advance("soon")
            with pytest.raises(ValueError, match="not a duration"):
                await clock.advance(-1)

        virtually(body)

    def test_uninstall_tells_who_waits(self, virtually):
        """A task inside advance() gets a ClockError when the clock goes away."""

        async def body(clock):
            task = asyncio.create_task(clock.advance(5))
            await asyncio.sleep(0)
            clock.uninstall()
            with pytest.raises(ClockError, match="uninstalled"):
                await task
            with pytest.raises(ClockError, match="install"):
                await clock.advance(1)

        virtually(body)


UPTIMES = [0.123456789, 253.849408919, 98_765.4321012, 1_234_567.8901234, 25_000_000.1]
DELAYS = [0.1, 0.3, 0.7, 1.1, 2.5, 75.0]


@pytest.mark.parametrize("uptime", UPTIMES)
def test_what_a_test_measures_does_not_depend_on_the_machines_uptime(uptime):
    """Whole seconds are exact, and nothing is shorter than it was asked to be."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.time = lambda: uptime
        clock = VirtualClock()
        clock.install()
        clock.patch_time()
        for now in (loop.time, time.monotonic):
            for delay in DELAYS * 3:
                began = now()
                await asyncio.sleep(delay)
                took = now() - began
                assert took >= delay
                assert took == pytest.approx(delay, abs=1e-7)
                if delay % 0.5 == 0:
                    assert took == delay
        clock.uninstall()

    asyncio.run(main())


@pytest.mark.parametrize("years", [1, 10, 1000])
def test_sleeps_of_years_end(virtually, years):
    """A float of so many seconds has no digit for the resolution of the loop's clock."""

    async def body(clock):
        await asyncio.sleep(years * 31_557_600)
        await asyncio.sleep(0.5)
        assert clock.time() == years * 31_557_600 + 0.5

    virtually(body)
