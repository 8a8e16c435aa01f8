"""A thread that waits for a job does nothing: time need not wait for it."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time

import pytest

from pytest_asyncfastapi._clock import ClockError, VirtualClock, idle_threads, jump_policy

pytestmark = pytest.mark.timeout(60)
LONG = {"freeze_bound": 3600.0}


@pytest.fixture(params=["with /proc", "without"])
def system(request, monkeypatch):
    """Linux, and where nobody says whether a thread was run: macOS, Windows."""
    if request.param == "without":
        monkeypatch.setattr(idle_threads, "_kernel_figures", lambda tid: None)
    elif sys.platform != "linux":
        pytest.skip("there is no /proc")


def test_a_future_that_its_library_has_forgotten(virtually, system):
    """Two stops: the thread ends with the first, and the second's future is never set."""
    aiosqlite = pytest.importorskip("aiosqlite")

    async def body(clock):
        async with aiosqlite.connect(":memory:"):
            lost = await aiosqlite.connect(":memory:")
            first, second = lost.stop(), lost.stop()
            forgotten = asyncio.ensure_future(asyncio.wait([second]))
            await first
            await asyncio.sleep(30)
            assert clock.time() == 30.0
            assert not forgotten.done()
            forgotten.cancel()
        assert clock.notes == []

    virtually(body, **LONG)


def test_a_deadlock_beside_an_open_database_is_told_at_once(virtually, system):
    aiosqlite = pytest.importorskip("aiosqlite")

    async def body(clock):
        async with aiosqlite.connect(":memory:"):
            try:
                await asyncio.Event().wait()
            finally:
                clock.uninstall()

    with pytest.raises(ClockError, match="Deadlock"):
        virtually(body, **LONG)


def worker(kind, seconds):
    """A thread with a queue of one's own, and `ask(loop)`: a future that it will set."""
    jobs = kind()

    def work():
        while (job := jobs.get()) is not None:
            loop, future = job
            time.sleep(seconds)
            loop.call_soon_threadsafe(future.set_result, None)

    threading.Thread(target=work, daemon=True).start()

    def ask(loop):
        future = loop.create_future()
        jobs.put((loop, future))
        return future

    return jobs, ask


KINDS = [queue.SimpleQueue, queue.Queue, queue.LifoQueue]


@pytest.mark.parametrize("kind", KINDS)
def test_a_thread_of_ones_own_that_is_idle_lets_time_jump(virtually, system, kind, monkeypatch):
    """Before, nobody could tell: time ran at real speed beside it, and a note said so."""
    # It is known a little before time would flow; on a busy machine a little after.
    assert idle_threads._REST_WITHOUT_KERNEL + jump_policy.SLICE < jump_policy._UNKNOWN_WORK_BOUND
    monkeypatch.setattr(jump_policy, "_UNKNOWN_WORK_BOUND", 30)

    async def body(clock):
        jobs, ask = worker(kind, 0)
        await ask(asyncio.get_running_loop())
        await asyncio.sleep(3600)
        jobs.put(None)
        assert clock.time() == 3600.0
        assert clock.notes == []

    virtually(body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_thread_of_ones_own_that_has_a_job_stops_time(virtually, system, kind):
    """No timeout fires while it works, and none in the moment of handing over."""

    async def body(clock):
        jobs, ask = worker(kind, 0.003)
        for _ in range(6):
            async with asyncio.timeout(1):
                await ask(asyncio.get_running_loop())
            await asyncio.sleep(1)
        jobs.put(None)
        assert clock.time() == 6.0

    virtually(body)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere time runs at real speed beside it")
def test_on_trio_too():
    """A thread that has answered once, and waits for the next job."""
    trio = pytest.importorskip("trio")

    async def main():
        clock, jobs, token = VirtualClock(), queue.SimpleQueue(), trio.lowlevel.current_trio_token()
        clock.install()

        def work():
            while (event := jobs.get()) is not None:
                token.run_sync_soon(event.set)

        threading.Thread(target=work, daemon=True).start()
        jobs.put(event := trio.Event())
        await event.wait()
        await trio.sleep(3600)
        jobs.put(None)
        assert clock.time() == 3600.0
        assert clock.notes == []
        clock.uninstall()

    trio.run(main)


class Thread:
    """Stands where it is told to."""

    def __init__(self, at):
        self.jobs, self.taken = queue.SimpleQueue(), threading.Event()
        self.thread = threading.Thread(target=at, args=(self,), daemon=True)
        self.thread.start()

    def frame(self):
        return sys._current_frames()[self.thread.ident]


def _in_a_queue(self):
    assert self.jobs.get() == 1
    self.taken.wait()


@pytest.fixture
def idle():
    idle = Thread(_in_a_queue)
    while not idle_threads.waits_for_a_job(idle.frame()):
        time.sleep(0.001)
    yield idle
    idle.jobs.put(1)
    idle.taken.set()
    idle.thread.join()


def test_where_it_stands_is_not_enough(idle, monkeypatch):
    """One that was run since the last look may hold a job by now."""
    monkeypatch.setattr(idle_threads, "_REST", 0.0)
    monkeypatch.setattr(idle_threads, "_SHORT_REST", 0.0)
    figures = iter(["1 2 3", "1 2 4", "1 2 4", "", "1 2 4", "1 2 4"])
    monkeypatch.setattr(idle_threads, "_kernel_figures", lambda tid: next(figures))
    is_parked = idle_threads.IdleTracker()
    assert [is_parked(idle.thread) for _ in range(6)] == [False, False, True, False, False, True]


def test_without_the_kernel_it_takes_longer(idle, monkeypatch):
    monkeypatch.setattr(idle_threads, "_kernel_figures", lambda tid: None)
    monkeypatch.setattr(idle_threads, "_SHORT_REST", 0.0)
    is_parked = idle_threads.IdleTracker()
    assert not is_parked(idle.thread)
    assert not is_parked(idle.thread)
    monkeypatch.setattr(idle_threads, "_REST_WITHOUT_KERNEL", 0.0)
    assert is_parked(idle.thread)
    is_parked.on_loop_ran()  # the loop may have handed over a job, and got its answer
    assert not is_parked(idle.thread)
    assert is_parked(idle.thread)


def test_a_short_rest_costs_no_question(idle, monkeypatch):
    """Between two jobs a busy thread rests for some microseconds, and is looked at each time."""
    asked = []
    monkeypatch.setattr(idle_threads, "_kernel_figures", lambda tid: asked.append(tid) or "1 2 3")
    monkeypatch.setattr(idle_threads, "_SHORT_REST", 3600.0)
    is_parked = idle_threads.IdleTracker()
    assert not any(is_parked(idle.thread) for _ in range(100))
    assert asked == []
    monkeypatch.setattr(idle_threads, "_SHORT_REST", 0.0)
    monkeypatch.setattr(idle_threads, "_REST", 0.0)
    assert [is_parked(idle.thread) for _ in range(2)] == [False, True]
    assert len(asked) == 2


def _elsewhere(self):
    self.taken.wait()


def test_other_waits_may_end_by_themselves():
    """An event, a lock, a system call: nobody knows who has promised to end it."""
    other = Thread(_elsewhere)
    try:
        assert not idle_threads.waits_for_a_job(other.frame())
    finally:
        other.taken.set()
        other.thread.join()


def test_a_queue_with_a_job_in_it_is_no_rest(idle):
    """Put and not yet taken: the thread is about to."""
    frame = idle.frame()
    idle.jobs.put(1)  # it cannot take it before this thread gives the GIL away
    assert idle.jobs.empty() or not idle_threads.waits_for_a_job(frame)
