"""Rows N that are about the loop itself: both kinds of it, what is left, what is spared."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest
import sniffio
from apps import BODY, START, answering
from fastapi import Depends, FastAPI, Request, Response

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._app.overrides import Overrides

MORE = {**BODY, "more_body": True}


def tasks() -> int:
    """How many tasks run in this loop."""
    if sniffio.current_async_library() == "asyncio":
        return len(asyncio.all_tasks())
    import trio

    return trio.lowlevel.current_statistics().tasks_living


def only_on_asyncio() -> None:
    if sniffio.current_async_library() != "asyncio":
        pytest.skip("it is about asyncio's loop")


class Habits:
    """An app with one path a habit; `left` notes which of them have ended."""

    def __init__(self) -> None:
        self.left: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        try:
            if path == "/endless":
                await send(START)
                while True:
                    await send({**MORE, "body": b"tick"})
                    await anyio.sleep(0.001)
            elif path == "/silent":
                await anyio.sleep_forever()
            await answering(200, None, path.encode())(scope, receive, send)
        finally:
            self.left.append(path)


async def test_N03_all_kinds_of_requests_on_this_loop(opened: Any, http: Any) -> None:
    """Plain, an endless stream that is left, a timeout, a cancellation, fifty at once."""
    app = Habits()
    async with opened(app) as client:
        before = tasks()
        assert (await client.get("/plain")).text == "/plain"
        async with client.stream("GET", "/endless") as response:
            chunks = response.aiter_raw()
            assert [await anext(chunks) for _ in range(3)] == [b"tick"] * 3
            await chunks.aclose()
        assert app.left == ["/plain", "/endless"]
        with pytest.raises(http.ReadTimeout):
            await client.get("/silent", timeout=0.01)
        with anyio.move_on_after(0.01) as scope:
            await client.get("/silent")
        assert scope.cancelled_caught
        assert app.left[2:] == ["/silent", "/silent"]
        answers: list[str] = []

        async def ask(number: int) -> None:
            answers.append((await client.get(f"/{number}")).text)

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(ask, number)
        assert sorted(answers) == sorted(f"/{number}" for number in range(50))
        await anyio.lowlevel.checkpoint()
        assert tasks() == before


async def test_N10_an_open_response_is_reaped_with_its_client(opened: Any) -> None:
    """`stream=True` and never closed: told, cancelled, waited for; no task is left."""
    app = Habits()
    before = tasks()
    async with opened(app) as client:
        responses = [
            await client.send(client.build_request("GET", "/endless"), stream=True)
            for _ in range(3)
        ]
        assert app.left == []
    assert app.left == ["/endless"] * 3
    await anyio.lowlevel.checkpoint()
    assert tasks() == before
    assert all(response.status_code == 200 for response in responses)


# N13: the figures are those of `python -m benchmarks.client`; here is what they come from.


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks start eagerly from Python 3.12 on")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_N13_an_app_that_never_waits_costs_no_step_of_the_loop(
    opened: Any, streamed: bool
) -> None:
    """It ends within the caller's own step: nothing else in the loop gets a turn."""
    only_on_asyncio()
    app = answering(200, None, b"x" * 10, b"y" * 10)
    async with opened(app) as client:
        turns: list[str] = []
        asyncio.get_running_loop().call_soon(turns.append, "a turn")
        if streamed:
            async with client.stream("GET", "/") as response:
                assert await response.aread() == b"x" * 10 + b"y" * 10
                assert turns == []
        else:
            assert len((await client.get("/")).content) == 20
            assert turns == []


async def test_N13_an_app_that_waits_a_step_costs_no_timer(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout is armed only for an app that really waits."""
    only_on_asyncio()
    armed: list[float] = []
    loop = asyncio.get_running_loop()
    real = loop.call_at

    def call_at(when: float, *args: Any, **options: Any) -> Any:
        armed.append(when)
        return real(when, *args, **options)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.lowlevel.checkpoint()
        await send(START)
        for number in range(20):
            await send({**BODY, "more_body": number < 19})
            await anyio.lowlevel.checkpoint()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0.01)
        await answering()(scope, receive, send)

    async with opened(app) as client, opened(slow) as other:
        monkeypatch.setattr(loop, "call_at", call_at)
        async with client.stream("GET", "/") as response:
            assert await response.aread() == b"x" * 20
        assert armed == []
        await other.get("/")
        assert armed


async def test_N13_who_listens_for_the_end_is_not_woken_by_chunks(opened: Any) -> None:
    """A `receive()` beside the body waits once, however many chunks are read."""
    woken, told = 0, []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def listen() -> None:
            nonlocal woken
            await receive()
            waiting = receive()
            try:
                step = waiting.send(None)
                while True:
                    reply = await _once(step)
                    woken += 1
                    step = waiting.send(reply)
            except StopIteration as end:
                told.append(end.value["type"])

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await send(START)
            for number in range(200):
                await send({**BODY, "body": b"x" * 4096, "more_body": number < 199})

    async with opened(app) as client, client.stream("GET", "/") as response:
        assert len(await response.aread()) == 200 * 4096
    assert told == ["http.disconnect"]
    assert woken <= 2


class _once:  # noqa: N801
    """Hand one thing that a coroutine waits for to the loop, and its answer back."""

    def __init__(self, wanted: Any) -> None:
        self.wanted = wanted

    def __await__(self) -> Any:
        return (yield self.wanted)


# Isolation: nothing of one request or client reaches another, on either loop

VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="unset")


def who() -> str:
    return "real"


def traces_app() -> tuple[FastAPI, list[str]]:
    """Leaves what it can: a variable, a cookie, a task that waits; one half is a sub-app."""
    app, inner, running = FastAPI(), FastAPI(), []
    for part in (app, inner):

        @part.get("/who")
        async def get_who(me: Annotated[str, Depends(who)]) -> str:
            return me

    @app.get("/var")
    async def var(response: Response) -> str:
        seen = VAR.get()
        VAR.set("set by the app")
        response.set_cookie("mine", "1")
        return seen

    @app.get("/cookies")
    async def cookies(request: Request) -> dict[str, str]:
        return dict(request.cookies)

    @app.get("/work")
    async def work() -> None:
        running.append("work")
        try:
            await anyio.sleep_forever()
        finally:
            running.remove("work")

    app.mount("/inner", inner)
    return app, running


async def test_N11_context_cookies_and_tasks_stay_where_they_are(http: Any) -> None:
    """From request to request, from client to client."""
    app, running = traces_app()
    before = tasks()
    async with open_app(app, client=http.__name__) as first:
        assert (await first.get("/var")).json() == "unset"
        assert (await first.get("/var")).json() == "unset"
        assert VAR.get() == "unset"
        assert (await first.get("/cookies")).json() == {"mine": "1"}
        async with open_app(app, client=http.__name__) as second:
            assert (await second.get("/cookies")).json() == {}
            with anyio.move_on_after(0.01):
                await second.get("/work")
            assert running == []
        token = VAR.set("set by the test")
        assert (await first.get("/var")).json() == "set by the test"
        VAR.reset(token)
        assert (await first.get("/var")).json() == "unset"
    await anyio.lowlevel.checkpoint()
    assert tasks() == before
    gc.collect()


async def test_N11_requests_at_once_have_a_context_each(http: Any) -> None:
    """What one sets while the other waits, the other does not see."""
    both, seen = anyio.Event(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        VAR.set(scope["path"])
        seen.append(scope["path"])
        if len(seen) == 2:
            both.set()
        await both.wait()
        await answering(200, None, VAR.get().encode())(scope, receive, send)

    got = {}

    async with open_app(app, client=http.__name__, lifespan=False) as client:

        async def ask(path: str) -> None:
            got[path] = (await client.get(path)).text

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "/a")
            group.start_soon(ask, "/b")
    assert got == {"/a": "/a", "/b": "/b"}


async def test_N11_overrides_of_sub_apps_go_too(http: Any) -> None:
    """Restored, they answer as before."""
    app, _ = traces_app()
    async with open_app(app, client=http.__name__) as client:
        overrides = Overrides(app)
        overrides[who] = "fake"
        assert (await client.get("/who")).json() == "fake"
        assert (await client.get("/inner/who")).json() == "fake"
        overrides.restore()
        assert (await client.get("/who")).json() == "real"
        assert (await client.get("/inner/who")).json() == "real"
