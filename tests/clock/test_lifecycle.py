"""Install and uninstall: nothing stays behind, time never goes back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from pytest_asyncfastapi._clock import ClockError, VirtualClock


def test_uninstall_restores_everything():
    """Only the shifted `loop.time` stays, and it goes on from the virtual time."""

    async def main():
        loop = asyncio.get_running_loop()
        before, before_select = dict(vars(loop)), dict(vars(loop._selector))
        clock = VirtualClock()
        clock.install()
        clock.install()  # idempotent
        assert clock.installed
        await asyncio.sleep(1000)
        late = loop.call_later(0.02, print)
        virtual_now = loop.time()
        clock.uninstall()
        clock.uninstall()
        assert not clock.installed
        assert set(vars(loop)) - set(before) <= {"time", "_default_executor"}
        assert dict(vars(loop._selector)) == before_select
        assert virtual_now <= loop.time() < virtual_now + 60
        assert clock.time() == 1000.0
        late.cancel()
        started = loop.time()
        await asyncio.sleep(0.02)
        assert loop.time() - started >= 0.0199

    asyncio.run(main())


def test_pending_timers_stay_valid():
    """A timer set in virtual time fires after uninstall, in real time."""

    async def main():
        loop, clock = asyncio.get_running_loop(), VirtualClock()
        clock.install()
        await asyncio.sleep(5)
        event = asyncio.Event()
        loop.call_later(0.05, event.set)
        clock.uninstall()
        await event.wait()

    asyncio.run(main())


def test_install_again_goes_on():
    """A second installation starts at 0.0, and the loop's time still never goes back."""

    async def main():
        loop, clock = asyncio.get_running_loop(), VirtualClock()
        last = loop.time()
        for _ in range(3):
            clock.install()
            assert clock.time() == 0.0
            await asyncio.sleep(10)
            assert clock.time() == 10.0
            clock.uninstall()
            assert loop.time() >= last + 10
            last = loop.time()
        assert not hasattr(loop.time.stock, "stock")  # one shift, not a tower of them

    asyncio.run(main())


def test_one_clock_serves_one_loop():
    """A clock that is taken refuses another loop; a loop that is taken, another clock."""

    async def main():
        clock = VirtualClock()
        clock.install()
        other = asyncio.new_event_loop()
        with pytest.raises(RuntimeError, match="installed on"):
            clock.install(other)
        other.close()
        with pytest.raises(RuntimeError, match="another clock"):
            VirtualClock().install()
        clock.uninstall()

    asyncio.run(main())


def test_no_asyncio_loop():
    """Without a running asyncio loop there is one clear sentence."""
    with pytest.raises(ClockError, match="installed on a running event loop"):
        VirtualClock().install()


def test_a_loop_that_hides_its_idleness():
    """A loop without a selector (uvloop) is refused with the remedy."""

    class Loop:
        pass

    with pytest.raises(ClockError, match="uvloop.*remove it"):
        VirtualClock().install(Loop())


def test_a_wrapper_put_on_since_is_left_alone():
    """Somebody who wrapped run_in_executor after us keeps a wrapper that works."""

    async def main():
        loop, clock = asyncio.get_running_loop(), VirtualClock()
        clock.install()
        ours = loop.run_in_executor

        def theirs(*args):
            return ours(*args)

        loop.run_in_executor = theirs
        clock.uninstall()
        assert loop.run_in_executor is theirs
        assert await asyncio.to_thread(lambda: 3) == 3

    asyncio.run(main())


def test_two_loops_in_two_threads_do_not_see_each_other():
    """Each thread's clock jumps on its own; the other's real work holds neither."""
    seen = {}
    barrier = threading.Barrier(2)

    def thread(name, step, count):
        async def main():
            clock = VirtualClock()
            clock.install()
            barrier.wait(30)
            for _ in range(count):
                await asyncio.to_thread(time.sleep, 0.002)
                await asyncio.sleep(step)
            seen[name] = (clock.time(), clock.notes)
            clock.uninstall()

        asyncio.run(main())

    threads = [
        threading.Thread(target=thread, args=("fast", 0.5, 20)),
        threading.Thread(target=thread, args=("slow", 30, 40)),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == {"fast": (10.0, []), "slow": (1200.0, [])}


def test_the_repr_tells_the_state():
    """repr() shows whether it is installed and what time it is."""

    async def main():
        clock = VirtualClock()
        assert "not installed" in repr(clock)
        clock.install()
        await asyncio.sleep(1.5)
        assert repr(clock) == "<VirtualClock installed, 1.5 s, 0 notes>"
        clock.uninstall()

    asyncio.run(main())


def test_the_import_is_cheap():
    """Importing the package imports the standard library only."""
    code = (
        "import sys, pytest_asyncfastapi._clock; "
        "print([name for name in ('anyio', 'httpx', 'pytest', 'trio') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_ten_thousand_long_sleeps_are_quick():
    """Three and a half days of virtual time pass in seconds."""

    async def main():
        clock = VirtualClock()
        clock.install()
        for _ in range(10_000):
            await asyncio.sleep(30)
        assert clock.time() == 300_000.0
        clock.uninstall()

    started = time.perf_counter()
    asyncio.run(main())
    assert time.perf_counter() - started < 30
