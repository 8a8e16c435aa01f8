"""What holds under every schedule, and what is left of one afterwards."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import gc
import random
import threading
import time

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from fastapi import FastAPI

from pytest_asyncfastapi import Explored, ScheduleFailure, VirtualClock, explore_schedules, open_app
from pytest_asyncfastapi._explore.schedules import on_asyncio, worker_jobs
from tests.explore.running import explored


def logs_of(scenario, **options):
    """The lists that the scenario returned, one a schedule."""
    logs = []
    result = explored(scenario, invariant=logs.append, **options)
    assert isinstance(result, Explored), result
    return logs


# The order


def test_tasks_overtake_each_other_and_their_own_steps_stay_in_order():
    async def scenario():
        log = []

        async def steps(name):
            for number in range(3):
                log.append((name, number))
                await asyncio.sleep(0)

        await asyncio.gather(steps("a"), steps("b"))
        return log

    logs = logs_of(scenario, seeds=40)
    assert len({tuple(log) for log in logs}) > 10
    for log in logs:
        for name in "ab":
            assert [number for who, number in log if who == name] == [0, 1, 2]


def test_callbacks_that_are_no_steps_of_a_task_stay_in_order():
    async def scenario():
        log, loop = [], asyncio.get_running_loop()
        for number in range(5):
            loop.call_soon(log.append, number)
        for _ in range(12):
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        return log

    assert all(log == [0, 1, 2, 3, 4] for log in logs_of(scenario, seeds=30))


def test_timers_of_one_moment_may_wake_their_tasks_in_any_order():
    async def scenario():
        log, began = [], asyncio.get_running_loop().time()

        async def sleeps(name):
            await asyncio.sleep(30)
            log.append(name)

        await asyncio.gather(sleeps("a"), sleeps("b"))
        assert asyncio.get_running_loop().time() - began == pytest.approx(30)
        return log

    assert {tuple(log) for log in logs_of(scenario, seeds=30)} == {("a", "b"), ("b", "a")}


def test_concurrent_requests_overtake_each_other_from_their_first_step():
    """Our client's tasks are eager, but not while exploring."""

    async def scenario():
        app, log = FastAPI(), []

        @app.middleware("http")
        async def first(request, call_next):
            log.append("begun")
            return await call_next(request)

        async def sent(request):
            log.append("sent")

        async with open_app(app, event_hooks={"request": [sent]}) as client:
            await asyncio.gather(client.get("/a"), client.get("/b"))
        return log

    logs = {tuple(log) for log in logs_of(scenario, seeds=30)}
    assert logs == {("sent", "sent", "begun", "begun"), ("sent", "begun", "sent", "begun")}


def test_a_task_that_polls_does_not_keep_the_others_from_running():
    """PCT gives priorities, but not forever."""

    async def scenario():
        done = []

        async def polls():
            while not done:
                await asyncio.sleep(0)

        async def works():
            await asyncio.sleep(0)
            done.append(1)

        await asyncio.gather(polls(), works())

    assert isinstance(explored(scenario, seeds=30, policy="pct"), Explored)


def test_cancelling_a_group_works_under_every_schedule():
    """anyio cancels in a callback that schedules itself again until all is cancelled."""

    async def scenario():
        log = []

        async def waits(name):
            try:
                await anyio.sleep_forever()
            finally:
                log.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(waits, "a")
            group.start_soon(waits, "b")
            await anyio.sleep(1)
            group.cancel_scope.cancel()
        return sorted(log)

    assert all(log == ["a", "b"] for log in logs_of(scenario, seeds=30))


# Worker threads


def test_jobs_of_threads_are_atomic():
    """What a thread does lies between two steps: nothing runs on the loop meanwhile."""

    async def scenario():
        log = []

        def job(name):
            log.append(f"{name} begins")
            time.sleep(0.001)
            log.append(f"{name} ends")

        async def ticks():
            for _ in range(6):
                log.append("tick")
                await asyncio.sleep(0)

        await asyncio.gather(
            ticks(),
            anyio.to_thread.run_sync(job, "anyio"),
            asyncio.to_thread(job, "asyncio"),
            asyncio.get_running_loop().run_in_executor(None, job, "executor"),
        )
        return log

    for log in logs_of(scenario, seeds=20):
        for name in ("anyio", "asyncio", "executor"):
            assert log[log.index(f"{name} begins") + 1] == f"{name} ends"


def test_jobs_submitted_in_one_step_run_and_arrive_in_their_order():
    """Not in the order in which the threads happen to be done."""

    async def scenario():
        log, loop = [], asyncio.get_running_loop()

        def job(number):
            time.sleep(0.003 - number / 1000)
            log.append(("ran", number))

        futures = [loop.run_in_executor(None, job, number) for number in range(3)]
        for number, future in enumerate(futures):
            future.add_done_callback(lambda _, number=number: log.append(("arrived", number)))
        await asyncio.wait(futures)
        return log

    for log in logs_of(scenario, seeds=8):
        for kind in ("ran", "arrived"):
            assert [number for what, number in log if what == kind] == [0, 1, 2]


def test_a_job_begins_after_the_step_that_has_submitted_it():
    async def scenario():
        log = []
        job = asyncio.get_running_loop().run_in_executor(None, log.append, "job")
        time.sleep(0.002)
        log.append("the rest of the step")
        await job
        return log

    assert all(log == ["the rest of the step", "job"] for log in logs_of(scenario, seeds=5))


def test_a_thread_may_call_back_into_the_loop():
    """`from_thread.run`: the thread waits for the loop, so the loop does not wait for it."""

    async def scenario():
        log = []

        async def inside(name):
            await anyio.sleep(1)
            log.append(name)

        def job(name):
            anyio.from_thread.run(inside, name)
            anyio.from_thread.run_sync(log.append, name)

        await asyncio.gather(anyio.to_thread.run_sync(job, "a"), anyio.to_thread.run_sync(job, "b"))
        return sorted(log)

    result = explored(scenario, seeds=6, invariant=lambda log: log == ["a", "a", "b", "b"])
    assert isinstance(result, Explored), result
    assert result.notes == ()


def test_a_thread_that_waits_for_a_later_step_is_left_to_itself(monkeypatch):
    """It hangs nothing; a note says that the order may not repeat."""
    monkeypatch.setattr(worker_jobs, "PATIENCE", 0.05)

    async def scenario():
        ready = threading.Event()

        async def sets():
            await asyncio.sleep(0.01)
            ready.set()

        await asyncio.gather(anyio.to_thread.run_sync(ready.wait), sets())

    result = explored(scenario, seeds=2)
    assert isinstance(result, Explored), result
    (note,) = result.notes
    assert "was not done after 0.05 s of real time" in note
    assert "may not repeat" in note


def test_processes_are_left_alone():
    """What they run cannot be wrapped, and shares nothing."""

    class Remote(concurrent.futures.Executor):
        def submit(self, function, /, *args, **kwargs):
            assert function is abs  # as given, so that it could be pickled
            future = concurrent.futures.Future()
            future.set_result(function(*args))
            return future

    async def scenario():
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(Remote(), abs, -3)

    assert logs_of(scenario, seeds=3) == [3] * 4


# Seeds


def test_random_draws_are_those_of_the_seed():
    """And the state of `random` is what it was, afterwards."""

    async def scenario():
        return random.random()

    random.seed(5)
    before = random.getstate()
    first, again = logs_of(scenario, seeds=4), logs_of(scenario, seeds=4)
    assert first == again
    assert len(set(first)) == 4  # the ordinary order comes first, with seed 0
    assert random.getstate() == before


def test_the_same_seeds_take_the_same_steps():
    async def scenario():
        async def steps():
            for _ in range(4):
                await anyio.to_thread.run_sync(int)

        await asyncio.gather(steps(), steps())

    assert explored(scenario, seeds=20) == explored(scenario, seeds=20)


def test_some_seeds_only():
    """`seeds` may be the seeds themselves, and `start` the first of them."""

    async def scenario():
        return random.random()

    assert logs_of(scenario, seeds=[7])[1] == logs_of(scenario, seeds=1, start=7)[1]


# How a scenario fails


async def two_orders():
    """Fails when b comes before a."""
    log = []

    async def steps(name, number):
        for _ in range(number):
            await asyncio.sleep(0)
        log.append(name)

    await asyncio.gather(steps("a", 1), steps("b", 4))
    assert log == ["a", "b"], log
    return log


def test_it_stops_at_the_first_failure_and_says_how_to_see_it_again():
    failure = explored(two_orders)
    assert isinstance(failure, ScheduleFailure)
    text = str(failure)
    assert text.startswith("the scenario fails when its tasks run in another order")
    assert "AssertionError: ['b', 'a']" in text
    assert "test_explore_schedules.py:" in text
    assert f"schedule   {failure.schedule} (number {failure.tried} of those tried)" in text
    assert f"replay     explore_schedules(..., replay={failure.schedule!r})" in text
    assert f"replay={failure.shortest!r}" in text
    assert isinstance(failure.__cause__, AssertionError)


def test_the_smallest_schedule_is_small():
    """One task has to overtake another one: one change is enough."""
    failure = explored(two_orders)
    assert failure.shortest.count("@") == 1
    assert "smallest   1 of " in str(failure)


def test_a_failure_in_the_ordinary_order_is_called_so():
    async def scenario():
        raise KeyError("stock")

    text = str(explored(scenario))
    assert text.startswith("the scenario fails in the ordinary order of the event loop already:")
    assert "KeyError: 'stock'" in text
    assert "replay='fifo'" in text


@pytest.mark.parametrize("is_async", [False, True])
def test_an_invariant_that_is_false(is_async):
    async def sums_up():
        return 41

    async def later(total):
        await asyncio.sleep(1)
        return total == 42

    def at_once(total):
        return total == 42

    failure = explored(sums_up, invariant=later if is_async else at_once)
    assert f"InvariantBroken: {'later' if is_async else 'at_once'}(41) is False" in str(failure)


def test_what_does_not_replay_is_called_unsure():
    """State that outlives a schedule."""
    runs = []

    async def scenario():
        runs.append(1)
        assert len(runs) != 3

    text = str(explored(scenario))
    assert "not sure   the same schedule once more gave trace" in text
    assert "passed" in text


def test_a_scenario_that_goes_round_in_circles_is_ended(monkeypatch):
    monkeypatch.setattr(on_asyncio, "MOST_STEPS", 500)

    async def scenario():
        while True:
            await asyncio.sleep(0)

    assert "has taken 500 steps without an end" in str(explored(scenario))


def test_a_deadlock_with_a_database_open_is_seen_soon():
    """Its thread might speak, but has nothing to say."""
    aiosqlite = pytest.importorskip("aiosqlite")

    async def scenario():
        async with aiosqlite.connect(":memory:"):
            await asyncio.Event().wait()

    text = str(explored(scenario))
    assert "Deadlock: no task can run" in text
    assert "await asyncio.Event().wait()" in text


def test_a_scenario_that_deadlocks_while_it_is_cancelled_is_ended():
    async def scenario():
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    assert "Deadlock: no task can run" in str(explored(scenario))


def test_pytest_fail_is_a_failure_and_skip_is_not():
    async def fails():
        pytest.fail("no good")

    async def skips():
        pytest.skip("not here")

    assert "Failed: no good" in str(explored(fails))
    with pytest.raises(pytest.skip.Exception):
        explored(skips)


# What is left


def test_everything_is_put_back():
    """The queue, the executor, the deadlock handler, eagerness, the collector."""

    async def main():
        clock, loop = VirtualClock(), asyncio.get_running_loop()
        clock.install()
        select = loop._selector.select.__self__
        before = (
            loop._ready,
            loop.run_in_executor,
            select.on_deadlock,
            select.jump_policy.freeze_bound,
        )
        names = set(vars(loop))
        with pytest.raises(ScheduleFailure):
            await explore_schedules(two_orders)
        after = (
            loop._ready,
            loop.run_in_executor,
            select.on_deadlock,
            select.jump_policy.freeze_bound,
        )
        assert after == before
        assert type(loop._ready) is collections.deque
        assert set(vars(loop)) == names
        assert select.scheduler_hooks is None
        assert gc.isenabled()
        assert clock.installed
        clock.uninstall()

    asyncio.run(main())


def test_without_a_clock_it_brings_its_own_and_takes_it_along():
    async def main():
        loop = asyncio.get_running_loop()

        async def scenario():
            await asyncio.sleep(3600)

        await explore_schedules(scenario, seeds=2)
        assert on_asyncio.virtual_select(loop) is None

    asyncio.run(main())


def test_what_the_scenario_leaves_behind_does_not_meet_the_next_one():
    met = []

    async def scenario():
        met.append(len(asyncio.all_tasks()))
        left = asyncio.create_task(asyncio.sleep(1000))
        left.add_done_callback(lambda _: None)

    explored(scenario, seeds=5)
    assert set(met) == {2}


def test_threads_may_go_on_calling_the_loop_afterwards():
    """Who holds the queue of that time still reaches the loop."""

    async def main():
        loop = asyncio.get_running_loop()
        held = []

        async def scenario():
            held.append(loop._ready)

        await explore_schedules(scenario, seeds=1)
        called = asyncio.Event()
        handle = asyncio.Handle(called.set, (), loop)
        thread = threading.Thread(target=held[0].append, args=(handle,))
        thread.start()
        thread.join()
        async with asyncio.timeout(5):
            await called.wait()

    asyncio.run(main())


def test_the_caller_may_be_cancelled():
    """Then so is the scenario, and the loop is as before."""

    async def main():
        ended = []

        async def scenario():
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(1)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await explore_schedules(scenario)
        assert type(asyncio.get_running_loop()._ready) is collections.deque
        return len(ended)

    assert asyncio.run(main()) == 1
