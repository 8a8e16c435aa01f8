"""Tasks and what they awaited, as a record has them: on asyncio, eager tasks too, and on trio."""

from __future__ import annotations

from typing import Any

import pytest

APP = """
import anyio
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route


async def slow(seconds):
    await anyio.sleep(seconds)


async def both(request):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow, 1)
        tasks.start_soon(slow, 3)
    await anyio.sleep(0.25)
    return Response("done")


app = Starlette(routes=[Route("/", both)])
"""
TESTS = """
import pytest


@pytest.fixture
def anyio_backend():
    return {backend!r}


async def test_both(asgi_client, clock):
    await asgi_client.get("/")
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_each_task_says_where_it_waited_and_for_how_long(
    told: Any, project: pytest.Pytester, backend: str
) -> None:
    """In virtual seconds; the request's own task, its children, and the test."""
    project.makepyfile(shopapp=APP, test_shop=TESTS.format(backend=backend))
    record = told().tests["test_both"]["record"]
    served = [task for task in record["tasks"] if task["request"] == 1]
    (own,) = [task for task in served if task["name"] == "both"]
    assert [(wait["where"]["source"], round(wait["seconds"], 2)) for wait in own["awaits"]] == [
        ("async with anyio.create_task_group() as tasks:", 3.0),
        ("await anyio.sleep(0.25)", 0.25),
    ]
    children = [task for task in served if task["name"] == "slow"]
    assert sorted(round(task["awaits"][0]["seconds"], 2) for task in children) == [1.0, 3.0]
    assert all(task["end"] - task["start"] <= 3.25 for task in children)
    assert {task["created"]["function"] for task in children} == {"both"}
    (test,) = [task for task in record["tasks"] if task["name"] == "test_both"]
    assert test["request"] is None
    assert sum(wait["seconds"] for wait in test["awaits"]) == pytest.approx(3.25, abs=0.2)


def test_listening_changes_nothing(told: Any, project: pytest.Pytester) -> None:
    """The loop's own functions are as before, and no task is kept alive."""
    project.makeconftest(
        """
        import asyncio

        RUN = asyncio.events.Handle._run

        def pytest_sessionfinish():
            assert asyncio.events.Handle._run is RUN
        """
    )
    project.makepyfile(
        """
        import asyncio
        import weakref
        from conftest import RUN

        async def test_lives(asgi_client):
            async def job():
                await asyncio.sleep(0.01)

            task = asyncio.create_task(job())
            await task
            await asyncio.sleep(0)  # asyncio has held it, too
            gone = weakref.ref(task)
            del task
            assert gone() is None
            assert asyncio.events.Handle._run is not RUN
        """
    )
    assert told("-k", "lives").tests["test_lives"]["outcome"] == "passed"
