"""Nothing can ever happen again: say so at once, with every await chain."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pytest_asyncfastapi.clock import ClockError, VirtualClock, describe_tasks


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
