"""What a guard leaves for the garbage collector: no more than the loop does without it."""

import asyncio
import contextvars
import gc
import threading
import time
import weakref

import anyio
import httpx
import pytest

from pytest_asyncfastapi._blocking.thread_state import ThreadState
from pytest_asyncfastapi._core.other_test_clients import Served
from tests.blocking.conftest import Watch

HELD = contextvars.ContextVar("held")


class Thing:
    """Something whose end is watched."""


@pytest.mark.usefixtures("no_collector")
def test_an_exception_of_a_step_keeps_nothing_but_itself(watch: Watch) -> None:
    """Its traceback knows the frame of the step, which must not know the callback any more."""
    errors: list[BaseException] = []
    things: list[weakref.ref[Thing]] = []

    def fail() -> None:
        raise ValueError("kept")

    def schedule() -> None:
        thing = Thing()
        things.append(weakref.ref(thing))
        context = contextvars.copy_context()
        context.run(HELD.set, thing)
        asyncio.get_running_loop().call_soon(fail, context=context)

    async def endpoint() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, given: errors.append(given["exception"]))
        schedule()
        await asyncio.sleep(0.001)

    watch(endpoint)
    assert [str(error) for error in errors] == ["kept"]
    assert errors[0].__traceback__ is not None
    assert [thing() for thing in things] == [None]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_the_state_of_a_thread_ends_with_it(watch: Watch, library: str) -> None:
    """It has open files; the run of trio is known to trio's own objects until a collection."""
    run = pytest.importorskip(library).run
    idents: list[int] = []

    async def main() -> None:
        idents.append(threading.get_ident())
        await anyio.sleep(0.15)  # the watchdog wakes meanwhile

    async def endpoint() -> None:
        thread = threading.Thread(target=lambda: run(main))
        if library == "asyncio":
            thread = threading.Thread(target=lambda: run(main()))
        await asyncio.to_thread(lambda: (thread.start(), thread.join()))

    watch(endpoint)
    assert idents

    def kept() -> list[ThreadState]:
        found = [each for each in gc.get_objects() if isinstance(each, ThreadState)]
        return [each for each in found if each.ident in idents and each.runs_loop]

    # The watchdog may be in the middle of its work.
    deadline = time.monotonic() + 5
    while kept() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kept() == []


@pytest.mark.usefixtures("no_collector")
def test_a_request_that_raises_is_forgotten(watch: Watch) -> None:
    """Its record knows the error, whose traceback knows the frames of the client."""

    async def app(scope: object, receive: object, send: object) -> None:
        raise ValueError("of the app")

    async def endpoint() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            with pytest.raises(ValueError, match="of the app"):
                await client.get("/")

    watch(endpoint)
    assert [each for each in gc.get_objects() if isinstance(each, Served)] == []
