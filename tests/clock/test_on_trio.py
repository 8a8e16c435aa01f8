"""What is trio's own: installing, refusing, leaving, and the races with its threads."""

from __future__ import annotations

import functools
import signal
import sys
import threading
import time

import pytest
import trio
import trio.testing

from pytest_asyncfastapi._clock import ClockError, VirtualClock


def virtually_on_trio(body, **options):
    async def main():
        clock = VirtualClock(**options)
        clock.install()
        try:
            return await body(clock)
        finally:
            clock.uninstall()

    return trio.run(main)


def test_uninstall_gives_the_run_its_own_time_that_never_goes_back():
    """Time goes on from the virtual time, at real speed; a second clock starts at 0."""

    async def main():
        stock = trio.lowlevel.current_clock()
        for _ in range(3):
            clock = VirtualClock()
            clock.install()
            clock.install()  # idempotent
            assert clock.time() == 0.0
            await trio.sleep(1000)
            assert clock.time() == 1000.0
            virtual = trio.current_time()
            clock.uninstall()
            clock.uninstall()
            assert not clock.installed
            assert clock.time() == 1000.0
            assert virtual <= trio.current_time() < virtual + 60
        assert trio.lowlevel.current_clock().stock is stock  # one shift, not a tower of them
        began = time.perf_counter()
        await trio.sleep(0.02)
        assert time.perf_counter() - began >= 0.019

    trio.run(main)


def test_deadlines_from_before_and_after_stay_valid():
    """A deadline of real time fires in virtual time, and the other way round."""

    async def main():
        clock = VirtualClock()
        with trio.move_on_after(50) as scope:
            clock.install()
            await trio.sleep(100)
        assert scope.cancelled_caught
        assert 49 < clock.time() <= 50
        with trio.move_on_after(0.05) as scope:
            clock.uninstall()
            await trio.sleep(100)
        assert scope.cancelled_caught

    trio.run(main)


def test_one_clock_a_run():
    """A second clock is refused, and so is a clock that serves another loop."""

    async def main():
        clock = VirtualClock()
        clock.install()
        with pytest.raises(RuntimeError, match="another clock"):
            VirtualClock().install()
        clock.uninstall()

    trio.run(main)


def test_a_run_with_a_clock_of_its_own_is_refused():
    """MockClock (pytest-trio's autojump_clock) is named, with the remedy."""

    async def main():
        with pytest.raises(ClockError, match="started with MockClock: remove it .*autojump_clock"):
            VirtualClock().install()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_mock_clock_does_what_we_are_here_to_prevent():
    """The reason for a clock of our own: autojump fires a minute within a thread's moment."""

    async def main():
        with trio.move_on_after(60) as scope:
            await trio.to_thread.run_sync(time.sleep, 0.2, abandon_on_cancel=True)
        return scope.cancelled_caught

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))
    assert virtually_on_trio(lambda clock: main()) is False


def test_a_deadlock_without_a_handler_raises_in_the_main_task():
    """No internal error of trio's: a ClockError with every chain."""

    async def waits_for_ever():
        await trio.Event().wait()

    async def body(clock):
        await trio.sleep(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits_for_ever)

    with pytest.raises(ExceptionGroup) as caught:
        virtually_on_trio(body)
    (error,) = caught.value.exceptions
    assert type(error) is ClockError
    report = str(error)
    assert "Deadlock at virtual time 2.0 s" in report
    assert f"test_on_trio.py:{waits_for_ever.__code__.co_firstlineno + 1}\n" in report
    assert "await trio.Event().wait()" in report
    assert "in trio._sync.Event.wait()" in report
    assert "entry_queue" not in report
    assert "<init>" not in report


def test_the_handler_is_called_once_and_may_go_on():
    """What the handler wakes runs; one report a deadlock."""
    reports = []

    async def body(clock):
        event = trio.Event()

        def rescue(report):
            reports.append(report)
            event.set()

        clock.on_deadlock = rescue
        await event.wait()
        await trio.sleep(3)
        return clock.time()

    assert virtually_on_trio(body) == 3.0
    assert len(reports) == 1


def test_a_token_of_one_s_own():
    """A foreign thread that calls in by the run's token is waited for at real speed."""

    async def upstream():
        await trio.sleep(30)
        return 7

    async def body(clock):
        token, answers = trio.lowlevel.current_trio_token(), []

        def work():
            time.sleep(0.02)
            answers.append(trio.from_thread.run(upstream, trio_token=token))

        thread = threading.Thread(target=work)
        thread.start()
        with trio.fail_after(31):
            while not answers:
                await trio.sleep(0.5)
        await trio.to_thread.run_sync(thread.join)
        assert answers == [7]
        assert clock.time() >= 30

    virtually_on_trio(body)


def test_an_abandoned_job_does_not_stop_time_for_ever():
    """Nobody waits for it: time flows while it lasts, then jumps."""

    async def body(clock):
        started, finish = threading.Event(), threading.Event()

        def job():
            started.set()
            finish.wait(30)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                functools.partial(trio.to_thread.run_sync, job, abandon_on_cancel=True)
            )
            while not started.is_set():
                await trio.sleep(0)
            nursery.cancel_scope.cancel()
        try:
            await trio.sleep(0.3)
            assert clock.time() == 0.3
        finally:
            finish.set()
        await trio.sleep(3600)
        assert clock.time() == pytest.approx(3600.3, abs=1e-6)
        assert "job" in clock.notes[0]

    virtually_on_trio(body)


def test_wait_all_tasks_blocked_keeps_its_real_cushion():
    """trio's testing helper works, and time does not jump meanwhile."""

    async def body(clock):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 10)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert clock.time() == 0.0
            await trio.testing.wait_all_tasks_blocked()
            assert clock.time() == 0.0
        assert clock.time() == 10.0

    virtually_on_trio(body)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_that_is_awaited_is_no_deadlock():
    """With a signal receiver open, waiting for the signal goes on."""

    async def body(clock):
        with trio.open_signal_receiver(signal.SIGALRM) as signals:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            async for _ in signals:
                break

    virtually_on_trio(body)


def test_two_runs_in_two_threads_do_not_see_each_other():
    """Each run's clock jumps on its own; the other's real work holds neither."""
    seen = {}
    barrier = threading.Barrier(2)

    def thread(name, step, count):
        async def main():
            clock = VirtualClock()
            clock.install()
            barrier.wait(30)
            for _ in range(count):
                await trio.to_thread.run_sync(time.sleep, 0.002)
                await trio.sleep(step)
            seen[name] = (clock.time(), clock.notes)
            clock.uninstall()

        trio.run(main)

    threads = [
        threading.Thread(target=thread, args=("fast", 0.5, 20)),
        threading.Thread(target=thread, args=("slow", 30, 40)),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == {"fast": (10.0, []), "slow": (1200.0, [])}


def test_advance_ends_with_the_clock():
    """A task inside advance() gets a ClockError when the clock goes away."""

    async def body(clock):
        async def waits():
            with pytest.raises(ClockError, match="uninstalled"):
                await clock.advance(5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
            await trio.testing.wait_all_tasks_blocked()
            clock.uninstall()
        with pytest.raises(ClockError, match="install"):
            await clock.advance(1)

    virtually_on_trio(body)


def test_advance_that_is_cancelled_moves_nothing():
    """A goal that nobody waits for any more is no timer."""

    async def body(clock):
        with trio.move_on_after(2):
            await clock.advance(100)
        assert clock.time() == 2.0
        await trio.sleep(3)
        assert clock.time() == 5.0

    virtually_on_trio(body)


def test_the_repr_of_every_part_tells_the_state():
    """repr() shows the time."""

    async def body(clock):
        await trio.sleep(1.5)
        assert repr(clock) == "<VirtualClock installed, 1.5 s, 0 notes>"
        assert "1.5 s" in repr(trio.lowlevel.current_clock())

    virtually_on_trio(body)


def test_a_run_without_epoll_and_kqueue_is_refused_with_a_remedy(monkeypatch):
    """As on Windows: one sentence, and the run keeps its own time."""

    async def main():
        runner = trio._core._run.GLOBAL_RUN_CONTEXT.runner
        stock, manager = runner.clock, runner.io_manager
        monkeypatch.setattr(runner, "io_manager", object())
        with pytest.raises(ClockError, match="needs epoll or kqueue.* asyncio backend") as error:
            VirtualClock().install()
        monkeypatch.setattr(runner, "io_manager", manager)
        assert "asyncio.SelectorEventLoop" in str(error.value)
        assert runner.clock is stock

    trio.run(main)


@pytest.mark.parametrize("delay", [0.1, 0.7, 75.0, 31_557_600.0, 315_576_000.5])
def test_a_sleep_is_never_shorter_than_asked(delay):
    """Trio's clock begins at a random number; what a test measures must not depend on it."""

    async def body(clock):
        for _ in range(5):
            began = trio.current_time()
            await trio.sleep(delay)
            took = trio.current_time() - began
            assert took >= delay
            assert took == pytest.approx(delay, rel=1e-8)
            if delay == 75:
                assert took == delay

    virtually_on_trio(body)
