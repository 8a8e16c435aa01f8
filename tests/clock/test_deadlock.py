"""Nothing can ever happen again: say so at once, with every await chain."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from pytest_asyncfastapi._clock import ClockError, VirtualClock, describe_tasks
from pytest_asyncfastapi._core import waiters


async def takes_the_lock_twice(lock):
    async with lock:
        await takes_it_again(lock)


async def takes_it_again(lock):
    async with lock:
        raise AssertionError("not reached")


async def numbers(event):
    yield 1
    await event.wait()
    yield 2


async def reads_numbers(event):
    async for _ in numbers(event):
        pass


def test_a_deadlock_raises_with_every_chain(virtually):
    """The report names each task's functions and lines down to what it waits for."""

    async def body(clock):
        await asyncio.sleep(2)
        lock = asyncio.Lock()
        reader = asyncio.create_task(reads_numbers(asyncio.Event()), name="reader")
        await asyncio.gather(takes_the_lock_twice(lock), reader)

    with pytest.raises(ClockError) as caught:
        virtually(body)
    report = str(caught.value)
    assert "Deadlock at virtual time 2.0 s" in report
    for function, line in (
        (takes_the_lock_twice, 2),
        (takes_it_again, 1),
        (reads_numbers, 1),
        (numbers, 2),
    ):
        place = f"test_deadlock.py:{function.__code__.co_firstlineno + line}\n"
        assert any(
            one.strip().startswith(f"{function.__name__}  ") and (one + "\n").endswith(place)
            for one in report.splitlines()
        ), function
    assert "await event.wait()" in report
    assert "asyncio.locks.Lock.acquire()" in report
    assert "'reader' waits" in report
    assert "timeout" in report


async def waits_in_a_group(event):
    async with asyncio.TaskGroup() as group:
        group.create_task(event.wait(), name="grouped")


WAYS = {
    "await": lambda event, task: task,
    "gather": lambda event, task: asyncio.gather(task, asyncio.sleep(0)),
    "wait": lambda event, task: asyncio.wait([task]),
    "shield": lambda event, task: asyncio.shield(task),
    "TaskGroup": lambda event, task: waits_in_a_group(event),
}
NOTED = sys.version_info >= (3, 14)  # by asyncio itself, however it is that one task awaits another


@pytest.mark.parametrize("way", WAYS)
def test_a_task_that_waits_for_another_one_names_it(virtually, way):
    """Where it can be known; the one that is waited for waits for no task."""

    async def body(clock):
        asyncio.current_task().set_name("body")
        event = asyncio.Event()
        task = asyncio.create_task(event.wait(), name="grouped")
        await WAYS[way](event, task)

    with pytest.raises(ClockError) as caught:
        virtually(body)
    known = NOTED or way in ("await", "gather")
    told = "'body' waits for 'grouped':" if known else "'body' waits:"
    assert told in str(caught.value)
    assert "'grouped' waits:" in str(caught.value)
    assert "wait for each other" not in str(caught.value)


def test_tasks_that_wait_for_each_other_are_named_first(virtually):
    """All of the circle, and nobody who only waits for it."""

    async def body(clock):
        reports, tasks, me = [], {}, asyncio.current_task()
        clock.on_deadlock = lambda report: (reports.append(report), waiters.cancel(me))

        async def awaits(name):
            await tasks[name]

        async def gathers(*names):
            await asyncio.gather(*(tasks[name] for name in names))

        for name, others in {"a": "b", "b": "c", "c": "ad", "e": "b"}.items():
            coro = awaits(others) if len(others) == 1 else gathers(*others)
            tasks[name] = asyncio.create_task(coro, name=name)
        tasks["d"] = asyncio.create_task(asyncio.Event().wait(), name="d")
        with pytest.raises(asyncio.CancelledError):
            await tasks["e"]
        me.uncancel()
        await asyncio.sleep(0)
        assert [name for name in "abce" if not tasks[name].done()] == []
        return reports

    (report,) = virtually(body)
    _, first, second, *_ = report.splitlines()
    assert first == "Tasks wait for each other: 'a' waits for 'b' waits for 'c' waits for 'a'."
    assert second.endswith(" waits for 'e':")
    assert "'c' waits for 'a', 'd':" in report
    assert "'e' waits for 'b':" in report


def test_many_that_are_waited_for_are_counted(virtually):
    """Three of them are named."""

    async def body(clock):
        asyncio.current_task().set_name("body")
        event = asyncio.Event()
        tasks = [asyncio.create_task(event.wait(), name=f"n{number}") for number in range(5)]
        await asyncio.gather(*tasks)

    with pytest.raises(ClockError) as caught:
        virtually(body)
    assert "'body' waits for 'n0', 'n1', 'n2' and 2 more:" in str(caught.value)


def test_the_handler_is_called_once_and_may_go_on(virtually):
    """on_deadlock gets the report once; what it wakes runs."""
    reports = []

    async def body(clock):
        event = asyncio.Event()
        loop = asyncio.get_running_loop()

        def rescue(report):
            reports.append(report)
            loop.call_soon(event.set)

        clock.on_deadlock = rescue
        await event.wait()
        await asyncio.sleep(3)
        event.clear()
        await event.wait()
        return clock.time()

    assert virtually(body) == 3.0
    assert len(reports) == 2


def test_a_handler_that_does_nothing_is_not_called_again():
    """One deadlock, one call; a real event still ends the wait."""
    reports = []

    async def main():
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        # Older than the clock, so the clock takes no notice of it.
        timer = threading.Timer(0.15, lambda: loop.call_soon_threadsafe(event.set))
        timer.start()
        clock = VirtualClock()
        clock.on_deadlock = reports.append
        clock.install()
        await event.wait()
        clock.uninstall()
        timer.join()

    asyncio.run(main())
    assert len(reports) == 1


def test_describe_tasks_marks_the_running_one():
    """The task that asks comes first; the others show where they wait."""

    async def waits():
        await asyncio.sleep(0.01)

    async def main():
        task = asyncio.create_task(waits(), name="waiter")
        await asyncio.sleep(0)
        text = describe_tasks(asyncio.get_running_loop())
        await task
        return text

    text = asyncio.run(main())
    first, _, rest = text.partition("'waiter' waits:")
    assert "is running" in first
    assert "describe_tasks(asyncio.get_running_loop())" in first
    assert "await asyncio.sleep(0.01)" in rest
    assert "in asyncio.tasks.sleep()" in rest


def test_describe_tasks_without_tasks():
    """A loop without tasks is described too."""
    loop = asyncio.new_event_loop()
    assert describe_tasks(loop) == "no task is left"
    loop.close()
