"""Who created the task: in blocking findings, across gather, task groups and eager tasks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pytest_asyncfastapi._concurrency.leak_detector import LeakDetector
from pytest_asyncfastapi._core.creation_site import creation_site_of, current_creation_site
from pytest_asyncfastapi._core.frames import UserCode

USER = UserCode(Path(__file__).parents[2])
APP = """
import asyncio, time
import anyio
from fastapi import FastAPI

app = FastAPI()

async def price():
    await asyncio.sleep(0)
    time.sleep(0.002)

async def burn():
    await asyncio.sleep(0)
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass

@app.get("/gather")
async def gather():
    await asyncio.gather(price())
    return {}

@app.get("/group")
async def group():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(price)
    return {}

@app.get("/burn")
async def burns():
    await asyncio.create_task(burn())
    return {}
"""
TESTS = """
import pytest

@pytest.mark.parametrize("path", ["gather", "group", "burn"])
async def test_it(asgi_client, path):
    await asgi_client.get("/" + path)
"""


@pytest.fixture(scope="module")
def blocked(projects):
    return projects.run(plugins="", app=APP, test_it=TESTS)


@pytest.mark.parametrize(
    ("function", "source"),
    [("gather", "gather(price())"), ("group", "start_soon(price)"), ("burns", "create_task(burn")],
)
def test_a_blocking_call_in_a_task_names_who_created_the_task(blocked, function, source):
    place = blocked.line("app.py", source)
    path = "burn" if function == "burns" else function
    assert f"  created   at {place}, in {function} (GET /{path})" in blocked.output


@pytest.fixture
def watch():
    made = LeakDetector(USER, leaks="off")
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("eager", [False, True])
def test_any_task_factory_is_left_in_force(watch, eager):
    """Eager tasks are eager, and have their creation site afterwards."""
    factory = getattr(asyncio, "eager_task_factory", None) if eager else None
    if eager and factory is None:
        pytest.skip("eager tasks came with Python 3.12")

    async def nothing():
        pass

    async def main():
        asyncio.get_running_loop().set_task_factory(factory)
        task = asyncio.create_task(nothing())
        assert task.done() is eager
        await task
        return creation_site_of(task)

    assert asyncio.run(main()).where(USER).source == "task = asyncio.create_task(nothing())"


def test_a_chain_of_tasks_is_bounded(watch):
    """A task that begins its successor, forever, holds on to no past."""

    async def next_one(left):
        if left:
            await asyncio.create_task(next_one(left - 1))
            return
        site, length = current_creation_site(), 0
        while site is not None:
            site, length = site.parent, length + 1
        assert 1 < length <= 14

    asyncio.run(next_one(50))


def test_everything_is_as_it_was_once_nobody_watches():
    """Functions, generator hooks, origin tracking."""
    import socket
    import sys
    import threading
    import warnings

    import httpx

    def now():
        kinds = (asyncio.BaseEventLoop, asyncio.Runner, threading.Thread, socket.socket, warnings,
                 httpx.AsyncClient, httpx.Client, httpx.Response)  # fmt: skip
        parts = [dict(vars(kind)) for kind in kinds]
        return parts, sys.get_coroutine_origin_tracking_depth()

    inner = LeakDetector(USER, leaks="fail")
    before = now()
    inner.start()
    assert now()[1] >= 1
    inner.stop()
    inner.stop()
    after = now()
    for one, other in zip(before[0], after[0], strict=True):
        assert {k for k in one if one[k] is not other.get(k)} <= {"__warningregistry__"}
    assert before[1] == after[1]
