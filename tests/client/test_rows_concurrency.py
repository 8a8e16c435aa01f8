"""Rows C: concurrency, context, background tasks, cookies; and views of a client."""

from __future__ import annotations

import contextlib
import contextvars
import math
import re
from typing import Any

import anyio
import pytest
import sniffio
from apps import BODY, START, answering
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pytest_asyncfastapi._client import transport

VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="unset")


async def test_C01_background_tasks(opened: Any) -> None:
    """By default they have run when the response is there; `background=False` is a server."""
    log: list[str] = []
    go = anyio.Event()

    async def later() -> None:
        await go.wait()
        log.append("ran")

    async def endpoint(request: Request) -> JSONResponse:
        return JSONResponse({}, background=BackgroundTask(later))

    app = Starlette(routes=[Route("/", endpoint)])
    go.set()
    async with opened(app) as client:
        await client.get("/")
        assert log == ["ran"]
    go, log[:] = anyio.Event(), []
    async with opened(app, background=False) as client:
        await client.get("/")
        assert log == []
        go.set()
        await anyio.wait_all_tasks_blocked()
        assert log == ["ran"]


async def setting(scope: Any, receive: Any, send: Any) -> None:
    """An app that tells what it sees of VAR, and sets it."""
    inside = VAR.get()
    VAR.set("set by the app")
    await answering(200, None, inside.encode())(scope, receive, send)


async def test_C02_context_goes_in(opened: Any) -> None:
    """The test's context variables are seen by the app."""
    VAR.set("set by the test")
    async with opened(setting) as client:
        assert (await client.get("/")).text == "set by the test"


async def test_C03_context_does_not_come_out(opened: Any) -> None:
    """The app's do not leak back."""
    VAR.set("set by the test")
    async with opened(setting) as client:
        await client.get("/")
        async with client.stream("GET", "/"):
            pass
    assert VAR.get() == "set by the test"


async def test_C04_one_loop(opened: Any) -> None:
    """The app runs where the test runs."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((sniffio.current_async_library(), anyio.get_current_task().parent_id))
        await answering()(scope, receive, send)

    async with opened(app) as client:
        await client.get("/")
    assert seen[0][0] == sniffio.current_async_library()


async def test_C05_two_requests_meet(opened: Any) -> None:
    """Inside the app."""
    inside = {"/1": anyio.Event(), "/2": anyio.Event()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inside[scope["path"]].set()
        for event in inside.values():
            await event.wait()
        await answering()(scope, receive, send)

    async with opened(app) as client, anyio.create_task_group() as group:
        group.start_soon(client.get, "/1")
        group.start_soon(client.get, "/2")


async def test_C06_the_loop_is_free_during_a_request(opened: Any) -> None:
    """Other tasks of the test run."""
    ticks: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while len(ticks) < 3:
            await anyio.sleep(0)
        await answering()(scope, receive, send)

    async def tick() -> None:
        for number in range(3):
            ticks.append(number)
            await anyio.sleep(0)

    async with opened(app) as client, anyio.create_task_group() as group:
        group.start_soon(tick)
        await client.get("/")


async def test_C07_an_event_of_the_test_wakes_the_app(opened: Any) -> None:
    """Shared objects are shared."""
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await answering()(scope, receive, send)

    async with opened(app) as client, anyio.create_task_group() as group:
        group.start_soon(client.get, "/")
        await anyio.wait_all_tasks_blocked()
        go.set()


async def test_C08_sync_endpoints(opened: Any) -> None:
    """FastAPI runs them in its threads."""
    app = FastAPI()

    @app.get("/")
    def sync() -> str:
        return VAR.get()

    VAR.set("seen in the thread")
    async with opened(app) as client:
        assert (await client.get("/")).json() == "seen in the thread"


async def test_C09_fifty_at_once(opened: Any) -> None:
    """Each gets its own answer."""
    seen: set[str] = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0)
        await answering(200, None, scope["path"].encode())(scope, receive, send)

    async with opened(app) as client:

        async def one(number: int) -> None:
            assert (await client.get(f"/{number}")).text == f"/{number}"
            seen.add(str(number))

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(one, number)
    assert len(seen) == 50


async def echo_cookie(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers with the cookies it got, and sets one."""
    cookie = dict(scope["headers"]).get(b"cookie", b"none")
    secure = b"; Secure" if scope["scheme"] == "https" else b""
    headers = [(b"set-cookie", b"sid=7; Path=/" + secure)]
    await answering(200, headers, cookie)(scope, receive, send)


async def test_C10_cookies_are_the_clients(opened: Any) -> None:
    """They come back on the next request of the same client, not of another."""
    async with opened(echo_cookie) as client, opened(echo_cookie) as other:
        assert (await client.get("/")).text == "none"
        assert (await client.get("/")).text == "sid=7"
        assert (await other.get("/")).text == "none"


async def test_C11_secure_cookies_on_https(opened: Any) -> None:
    """They make the round trip."""
    async with opened(echo_cookie, base_url="https://shop.example") as client:
        await client.get("/")
        assert (await client.get("/")).text == "sid=7"


async def test_C12_usable_without_entering(opened: Any) -> None:
    """`open_app` gives a client that need not be entered; it may be."""
    async with opened(answering(200, None, b"ok")) as client:
        assert (await client.get("/")).text == "ok"
        async with client:
            assert (await client.get("/")).text == "ok"
        assert client.is_closed


# Views


async def echo_headers(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers with some of the headers it got."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    shown = [headers.get(name, "-") for name in ("x-a", "x-b", "cookie", "authorization")]
    await answering(200, None, " ".join(shown).encode())(scope, receive, send)


async def test_a_view_is_another_client_of_the_same_app(opened: Any, http: Any) -> None:
    """Headers and cookies add to the parent's, auth replaces it; the parent stays as it was."""
    async with opened(echo_headers, headers={"x-a": "1"}, cookies={"c": "1"}) as client:
        bob = client.as_(headers={"x-b": "2"}, cookies={"d": "2"}, auth=("bob", "pw"))
        assert type(bob) is type(client)
        assert isinstance(bob, http.AsyncClient)
        assert (await bob.get("/")).text == "1 2 c=1; d=2 Basic Ym9iOnB3"
        assert (await client.get("/")).text == "1 - c=1 -"
        assert (await bob.as_(auth=None).get("/")).text == "1 2 c=1; d=2 -"


async def test_a_view_has_its_own_cookie_jar(opened: Any) -> None:
    """It begins as a copy; what one gets later, the other does not."""
    async with opened(echo_cookie) as client:
        view = client.as_()
        await client.get("/")
        assert (await view.get("/")).text == "none"
        assert client.as_().cookies.get("sid") == "7"


async def test_a_view_is_closed_with_its_parent(opened: Any) -> None:
    """What it has left open is reaped; it cannot be used afterwards."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            await anyio.sleep_forever()
        finally:
            ended.append("ended")

    async with opened(app) as client:
        view = client.as_().as_()
        await view.send(view.build_request("GET", "/"), stream=True)
    assert ended == ["ended"]
    assert view.is_closed
    with pytest.raises(RuntimeError, match="has been closed. Fix: call as_\\(\\) while it is open"):
        client.as_()


async def test_closing_a_view_leaves_the_parent_open(opened: Any) -> None:
    """A view may be used as a context manager of its own."""
    async with opened(answering(200, None, b"ok")) as client:
        async with client.as_() as view:
            assert (await view.get("/")).text == "ok"
        assert view.is_closed
        assert (await client.get("/")).text == "ok"


async def test_background_of_a_view(opened: Any) -> None:
    """One view may be answered before background tasks have run."""
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)
        await go.wait()

    async with opened(app) as client:
        assert (await client.as_(background=False).get("/")).text == "x"
        go.set()
        assert (await client.get("/")).text == "x"


def working_on(seconds: float, log: list[str]) -> Any:
    """An app that answers, and then works on for so long."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(200, None, b"x" * 1000, b"y")(scope, receive, send)
        try:
            await anyio.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            log.append("cancelled")
            raise
        log.append("done")

    return app


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("read", ["nothing", "a part", "all", "not streamed"])
async def test_what_follows_a_whole_response_is_not_cut(
    opened: Any, background: bool, read: str
) -> None:
    """However much the client reads of it, and whatever its timeout is."""
    log: list[str] = []
    async with opened(working_on(0.08, log), background=background) as client:
        if read == "not streamed":
            assert len((await client.get("/", timeout=0.02)).content) == 1001
        else:
            async with client.stream("GET", "/", timeout=0.02) as response:
                await anyio.sleep(0.001)
                if read == "all":
                    await response.aread()
                elif read == "a part":
                    async with contextlib.aclosing(response.aiter_raw()) as pieces:
                        await anext(pieces)
        assert log == (["done"] if background else [])
    assert log == ["done"]


async def test_a_background_that_does_not_end_is_cut_and_reported(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the plugin's notes, or as a warning; by the client's timeout, or at its end."""
    monkeypatch.setattr(transport, "PATIENCE", 0.03)
    for options in ({"background": False}, {"timeout": 0.03}):
        log: list[str] = []
        notes: list[str] = []
        app = working_on(math.inf, log)
        async with opened(app, note=notes.append, **options) as client:
            assert (await client.get("/x")).status_code == 200
        assert log == ["cancelled"]
        (note,) = notes
        assert re.fullmatch(
            r"GET /x: its background task still ran [\d.]+ ms after the response, and was "
            r"cancelled\. Fix: bound it, or let the test wait for its end\.",
            note,
        )
    with pytest.warns(RuntimeWarning, match="its background task still ran"):
        async with opened(app, background=False) as client:
            await client.get("/x")


async def test_a_background_that_fails_is_raised_at_the_end(opened: Any) -> None:
    """With `background=False`; not over a failure of the test's own."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(200, None, b"x")(scope, receive, send)
        await anyio.sleep(0.01)
        raise ZeroDivisionError("in the background")

    with pytest.raises(ZeroDivisionError, match="in the background"):
        async with opened(app, background=False) as client:
            assert (await client.get("/")).text == "x"
    with pytest.raises(KeyError):
        async with opened(app, background=False) as client:
            await client.get("/")
            raise KeyError
    async with opened(app, background=False, raise_app_exceptions=False) as client:
        assert (await client.get("/")).text == "x"
