"""Bodies, streams and what a client that leaves does to an app."""

from __future__ import annotations

import gzip
from typing import Any

import anyio
import httpx
import pytest
from apps import BODY, START, answering
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi.client.errors import AppStillRunning

# httpx's own generators, left in the middle of a body: trio says so, over real sockets too.
LEFT_EARLY = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:Async generator 'httpx"
)


async def test_it_is_an_httpx_client() -> None:
    """`asgi_client` can be given to whatever takes an httpx.AsyncClient."""
    async with open_app(answering(), lifespan=False) as client:
        assert isinstance(client, httpx.AsyncClient)


async def test_buffered_body_and_duplicate_headers() -> None:
    """Chunks are joined, header order and duplicates kept, nothing is added."""
    headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-latin", b"\xe9")]
    async with open_app(answering(201, headers, b"he", b"llo"), lifespan=False) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (201, "hello")
    assert response.headers.raw == headers
    assert client.cookies.get("a") == "1"
    assert client.cookies.get("b") == "2"


async def test_gzip_is_decoded() -> None:
    """As httpx does."""
    app = answering(200, [(b"content-encoding", b"gzip")], gzip.compress(b"packed"))
    async with open_app(app, lifespan=False) as client:
        assert (await client.get("/")).content == b"packed"


async def test_head_has_no_body() -> None:
    """Even when the app sends one."""
    app = answering(200, [(b"content-length", b"3")], b"abc")
    async with open_app(app, lifespan=False) as client:
        assert (await client.head("/")).content == b""


async def test_cookies_come_back_on_the_next_request() -> None:
    """A cookie set by the app is sent with the next request of the same client."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        cookie = dict(scope["headers"]).get(b"cookie", b"none")
        await answering(200, [(b"set-cookie", b"sid=7; Path=/")], cookie)(scope, receive, send)

    async with open_app(app, lifespan=False) as client:
        assert (await client.get("/")).text == "none"
        assert (await client.get("/")).text == "sid=7"


async def test_redirects_are_the_librarys() -> None:
    """Not followed by default, with `next_request`; followed with their history on demand."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/old":
            await answering(302, [(b"location", b"/new")])(scope, receive, send)
        else:
            await answering(200, None, b"new")(scope, receive, send)

    async with open_app(app, lifespan=False) as client:
        response = await client.get("/old")
        assert response.status_code == 302
        assert response.next_request is not None
        assert (await client.send(response.next_request)).text == "new"
        followed = await client.get("/old", follow_redirects=True)
        assert [item.status_code for item in followed.history] == [302]
        assert followed.text == "new"


async def test_hooks_and_auth_are_the_librarys() -> None:
    """Event hooks run, and an auth flow is followed."""
    seen: list[str] = []

    async def hook(request: httpx.Request) -> None:
        seen.append(request.headers["authorization"])

    async with open_app(
        answering(), lifespan=False, auth=("ann", "pw"), event_hooks={"request": [hook]}
    ) as client:
        await client.get("/")
    assert seen[0].startswith("Basic ")


async def test_request_body_is_streamed_lazily() -> None:
    """The app reads the first chunk before the caller has made the second."""
    order: list[str] = []

    async def upload() -> Any:
        for number in range(2):
            order.append(f"made {number}")
            yield b"x"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            if message["body"]:
                order.append("read")
        await answering(200, None, b"ok")(scope, receive, send)

    async with open_app(app, lifespan=False) as client:
        await client.post("/", content=upload())
    assert order == ["made 0", "read", "made 1", "read"]


async def test_an_error_in_the_upload_is_the_callers() -> None:
    """It reaches the caller as itself; the app sees a disconnect."""
    seen: list[str] = []

    async def upload() -> Any:
        yield b"x"
        raise LookupError("no more data")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            seen.append(message["type"])
            if message["type"] == "http.disconnect":
                return

    async with open_app(app, lifespan=False) as client:
        with pytest.raises(LookupError, match="no more data"):
            await client.post("/", content=upload())
    assert seen == ["http.request", "http.disconnect"]


async def test_stream_returns_at_the_start_and_gives_chunks_one_by_one() -> None:
    """The response is there while the app still waits to send its body."""
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await go.wait()
        await send({**BODY, "body": b"1", "more_body": True})
        await send({**BODY, "body": b"2"})

    async with open_app(app, lifespan=False) as client, client.stream("GET", "/") as response:
        assert response.status_code == 200
        go.set()
        assert [chunk async for chunk in response.aiter_raw()] == [b"1", b"2"]


@LEFT_EARLY
async def test_leaving_an_endless_stream_closes_its_generator() -> None:
    """Starlette's generator is finalised by the time the block is left; nothing hangs."""
    log: list[str] = []

    async def endless(request: Request) -> StreamingResponse:
        async def ticks() -> Any:
            try:
                while True:
                    yield b"tick"
                    await anyio.sleep(0)
            finally:
                log.append("closed")

        return StreamingResponse(ticks())

    async with open_app(Starlette(routes=[Route("/", endless)])) as client:
        async with client.stream("GET", "/") as response:
            seen = 0
            async for _ in response.aiter_raw():
                seen += 1
                if seen == 3:
                    break
        assert log == ["closed"]


@LEFT_EARLY
async def test_leaving_behind_base_http_middleware() -> None:
    """The middleware in front streams and disconnects all the same."""
    log: list[str] = []

    async def endless(request: Request) -> StreamingResponse:
        async def ticks() -> Any:
            try:
                while True:
                    yield b"tick"
                    await anyio.sleep(0.001)
            finally:
                log.append("closed")

        return StreamingResponse(ticks())

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    app = Starlette(routes=[Route("/", endless)])
    app.add_middleware(Passing)
    async with open_app(app) as client:
        async with client.stream("GET", "/") as response:
            async for _ in response.aiter_raw():
                break
        assert log == ["closed"]


async def test_the_app_is_told_when_the_client_leaves() -> None:
    """A blocked `receive()` gets `http.disconnect`, and the app may clean up."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send({**BODY, "more_body": True})
        seen.append((await receive())["type"])

    async with open_app(app, lifespan=False) as client:
        async with client.stream("GET", "/"):
            pass
        assert seen == ["http.disconnect"]


async def test_send_raises_oserror_once_the_client_has_gone() -> None:
    """With spec_version 2.4, as the specification says; with 2.3 it is dropped, as uvicorn does."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send({**BODY, "more_body": True})
        await receive()
        try:
            await send({**BODY, "more_body": True})
        except OSError:
            seen.append("OSError")
        else:
            seen.append("dropped")

    for version in ("2.4", "2.3"):
        async with open_app(app, lifespan=False, spec_version=version) as client:
            async with client.stream("GET", "/"):
                pass
    assert seen == ["OSError", "dropped"]


async def test_an_app_that_ignores_the_disconnect_is_cancelled() -> None:
    """No task is left behind by an app that just sleeps."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            await send({**BODY, "more_body": True})
            await anyio.sleep_forever()
        finally:
            ended.append("ended")

    async with open_app(app, lifespan=False) as client:
        async with client.stream("GET", "/"):
            assert ended == []
        assert ended == ["ended"]


async def test_a_response_never_closed_is_reaped_with_the_client() -> None:
    """`send(stream=True)` and no `aclose()`: the app ends when the client does."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            await anyio.sleep_forever()
        finally:
            ended.append("ended")

    async with open_app(app, lifespan=False) as client:
        await client.send(client.build_request("GET", "/"), stream=True)
    assert ended == ["ended"]


async def test_an_app_that_will_not_stop_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that swallows its cancellation is an error in words, never a hang."""
    give_up = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        while not give_up:
            try:
                await anyio.sleep(0.01)
            except BaseException:
                if give_up:
                    raise

    async with open_app(app, lifespan=False) as client:
        monkeypatch.setattr("pytest_asyncfastapi.client.served._PATIENCE", 1)
        with pytest.raises(AppStillRunning, match="GET /stubborn: the app still runs"):
            async with client.stream("GET", "/stubborn"):
                pass
        give_up = True


async def test_back_pressure_for_a_reader_who_does_not_read() -> None:
    """`send()` waits once 64 KiB lie unread."""
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(20):
            await send({**BODY, "body": b"x" * 16384, "more_body": number < 19})
            sent.append(number)

    async with open_app(app, lifespan=False) as client:
        async with client.stream("GET", "/") as response:
            await anyio.wait_all_tasks_blocked()
            assert len(sent) < 8
            assert len(await response.aread()) == 20 * 16384


async def test_receive_after_the_response_is_a_disconnect() -> None:
    """As a server does once the response is complete."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await answering(200, None, b"ok")(scope, receive, send)
        seen.append((await receive())["type"])

    async with open_app(app, lifespan=False) as client:
        await client.get("/")
    assert seen == ["http.disconnect"]


async def test_background_tasks_are_awaited_unless_asked_otherwise() -> None:
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
    async with open_app(app) as client:
        await client.get("/")
        assert log == ["ran"]
    go, log[:] = anyio.Event(), []
    async with open_app(app, background=False) as client:
        await client.get("/")
        assert log == []
        go.set()
        await anyio.wait_all_tasks_blocked()
        assert log == ["ran"]
