"""Rows R: responses, streams, and what a client that leaves does to an app."""

from __future__ import annotations

import gc
import gzip
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from apps import BODY, START, answering
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pytest_asyncfastapi._client.errors import AppStillRunning

MORE = {**BODY, "more_body": True}
# httpx's own generators, left in the middle of a body: trio says so, over real sockets too.
LEFT_EARLY = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:Async generator 'httpx"
)


async def test_it_is_a_client_of_the_library(opened: Any, http: Any) -> None:
    """It can be given to whatever takes an AsyncClient; what it answers is theirs too."""
    async with opened(answering()) as client:
        assert isinstance(client, http.AsyncClient)
        assert isinstance(await client.get("/"), http.Response)


async def test_R01_the_response_is_there_at_the_start(opened: Any) -> None:
    """While the app still waits to send its body."""
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await go.wait()
        await send(BODY)

    async with opened(app) as client, client.stream("GET", "/") as response:
        assert response.status_code == 200
        go.set()
        assert await response.aread() == b"x"


async def test_R02_chunks_come_one_by_one(opened: Any) -> None:
    """Each while the app is still running."""
    seen: list[bytes] = []
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({**BODY, "body": b"1", "more_body": True})
        await go.wait()
        await send({**BODY, "body": b"2"})

    async with opened(app) as client, client.stream("GET", "/") as response:
        async for chunk in response.aiter_raw():
            seen.append(chunk)
            go.set()
    assert seen == [b"1", b"2"]


@pytest.mark.parametrize("pause", ["a step", "a moment"])
async def test_R02_whatever_the_app_waits_for(opened: Any, pause: str) -> None:
    """An app that lets go of the loop between chunks has each of them delivered alone."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(40):
            await send({**BODY, "body": b"%d" % number, "more_body": number < 39})
            await (anyio.lowlevel.checkpoint() if pause == "a step" else anyio.sleep(0.0001))

    async with opened(app) as client, client.stream("GET", "/") as response:
        assert [chunk async for chunk in response.aiter_raw()] == [b"%d" % n for n in range(40)]


@pytest.mark.parametrize("count", [1, 2, 16])
async def test_R02_chunks_that_wait_are_kept_apart(opened: Any, count: int) -> None:
    """Also where the app does not wait at all between a few of them."""
    async with opened(answering(200, None, *[b"x"] * count)) as client:
        async with client.stream("GET", "/") as response:
            assert [chunk async for chunk in response.aiter_raw()] == [b"x"] * count


async def test_R02_a_crowd_of_chunks_is_joined(opened: Any) -> None:
    """To 64 KiB at most; nothing is lost, and a large chunk stays as it is."""
    crowd = [b"%04d" % number * 250 for number in range(200)]
    async with opened(answering(200, None, *crowd, b"y" * 100_000)) as client:
        async with client.stream("GET", "/") as response:
            chunks = [chunk async for chunk in response.aiter_raw()]
    assert b"".join(chunks) == b"".join(crowd) + b"y" * 100_000
    assert [len(chunk) for chunk in chunks[:3]] == [65_000] * 3
    assert len(chunks) < 30
    assert chunks[-1] == b"y" * 100_000


def ticking(log: list[str]) -> Any:
    async def endless(request: Request) -> StreamingResponse:
        async def ticks() -> Any:
            try:
                while True:
                    yield b"tick"
                    await anyio.sleep(0.0005)
            finally:
                log.append("closed")

        return StreamingResponse(ticks())

    return Starlette(routes=[Route("/", endless)])


async def read_some(client: Any, count: int) -> None:
    async with client.stream("GET", "/") as response:
        seen = 0
        async for _ in response.aiter_raw():
            seen += 1
            if seen == count:
                break


@LEFT_EARLY
async def test_R03_an_endless_stream_can_be_left(opened: Any) -> None:
    """Three chunks, then away: nothing hangs, the app has ended."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            while True:
                await send(MORE)
                await anyio.sleep(0)
        finally:
            ended.append("ended")

    async with opened(app) as client:
        await read_some(client, 3)
        assert ended == ["ended"]


async def test_R03_an_app_that_never_lets_go_of_the_loop(opened: Any) -> None:
    """It sends and sends: leaving it, and a budget of the test's own, still end it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        while True:
            await send({**MORE, "body": b"x" * 65536})

    async with opened(app) as client:
        async with client.stream("GET", "/") as response:
            assert response.status_code == 200
        with anyio.move_on_after(0.01) as scope:
            await client.get("/")
        assert scope.cancelled_caught


async def test_R04_leaving_early_is_a_disconnect(opened: Any) -> None:
    """A blocked `receive()` gets `http.disconnect`."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send(MORE)
        seen.append((await receive())["type"])

    async with opened(app) as client:
        async with client.stream("GET", "/"):
            pass
        assert seen == ["http.disconnect"]


async def test_R05_send_raises_once_the_client_has_gone(opened: Any) -> None:
    """OSError with spec_version 2.4; with 2.3 the message is dropped, as uvicorn does."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send(MORE)
        await receive()
        try:
            await send(MORE)
        except OSError as error:
            seen.append(str(error))
        else:
            seen.append("dropped")

    for version in ("2.4", "2.3"):
        async with opened(app, spec_version=version) as client:
            async with client.stream("GET", "/x"):
                pass
    assert seen == ["GET /x: the client has disconnected", "dropped"]


async def test_R06_the_app_has_cleaned_up_when_the_block_is_left(opened: Any) -> None:
    """What it does on a disconnect is done by then."""
    log: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await receive()
        await anyio.sleep(0.01)
        log.append("cleaned up")

    async with opened(app) as client:
        async with client.stream("GET", "/"):
            assert log == []
        assert log == ["cleaned up"]


async def test_R07_an_app_that_ignores_the_disconnect_is_cancelled(opened: Any) -> None:
    """No task is left behind by an app that just sleeps."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            await anyio.sleep_forever()
        finally:
            ended.append("ended")

    async with opened(app) as client:
        async with client.stream("GET", "/"):
            assert ended == []
        assert ended == ["ended"]


async def test_R07_an_app_that_will_not_stop_is_reported(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    async with opened(app) as client:
        monkeypatch.setattr("pytest_asyncfastapi._client.app_run._PATIENCE", 1)
        with pytest.raises(AppStillRunning) as caught:
            async with client.stream("GET", "/stubborn"):
                pass
        give_up = True
        await anyio.sleep(0.05)
    assert str(caught.value) == (
        "GET /stubborn: the app still runs after the client had left and after it was cancelled 1 "
        "times; it would leak in production. Fix: let CancelledError pass (no bare `except "
        "BaseException` around an await)."
    )


async def test_R08_back_pressure(opened: Any) -> None:
    """`send()` waits once 256 KiB lie unread."""
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(20):
            await send({**BODY, "body": b"x" * 65536, "more_body": number < 19})
            sent.append(number)

    async with opened(app) as client:
        async with client.stream("GET", "/") as response:
            await anyio.wait_all_tasks_blocked()
            assert len(sent) == 4
            assert len(await response.aread()) == 20 * 65536


@LEFT_EARLY
async def test_R09_starlettes_generator_is_closed(opened: Any) -> None:
    """By the time the block is left (from spec_version 2.4 on Starlette leaves it to the GC)."""
    log: list[str] = []
    async with opened(ticking(log)) as client:
        await read_some(client, 3)
        assert log == ["closed"]


async def test_R10_polling_is_disconnected(opened: Any) -> None:
    """An endpoint that asks `request.is_disconnected()` ends by itself."""
    log: list[str] = []

    async def polling(request: Request) -> StreamingResponse:
        async def ticks() -> Any:
            yield b"first"
            while not await request.is_disconnected():
                await anyio.sleep(0.001)
            log.append("saw it")

        return StreamingResponse(ticks())

    app = Starlette(routes=[Route("/", polling)])
    # In 2.3 mode Starlette itself waits for the disconnect, and cancels the generator.
    async with opened(app, spec_version="2.4") as client:
        async with client.stream("GET", "/"):
            pass
    assert log == ["saw it"]


@LEFT_EARLY
async def test_R11_behind_base_http_middleware(opened: Any) -> None:
    """It streams and disconnects all the same."""
    log: list[str] = []

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    app = ticking(log)
    app.add_middleware(Passing)
    async with opened(app) as client:
        await read_some(client, 2)
        # The middleware drops the generator; Python closes it when it is collected.
        for _ in range(100):
            if log:
                break
            gc.collect()
            await anyio.sleep(0.01)
        assert log == ["closed"]


@LEFT_EARLY
async def test_R12_sse_starlette(opened: Any) -> None:
    """Two events, then away."""
    sse = pytest.importorskip("sse_starlette")
    log: list[str] = []

    async def events(request: Request) -> Any:
        async def endless() -> Any:
            try:
                while True:
                    yield {"data": "tick"}
                    await anyio.sleep(0.001)
            finally:
                log.append("closed")

        return sse.EventSourceResponse(endless())

    async with opened(Starlette(routes=[Route("/", events)])) as client:
        async with client.stream("GET", "/") as response:
            lines = []
            async for line in response.aiter_lines():
                lines += [line] if line else []
                if len(lines) == 2:
                    break
    assert lines == ["data: tick", "data: tick"]
    assert log == ["closed"]


async def test_R13_a_finite_stream_can_be_had_whole(opened: Any) -> None:
    """`client.get()` of a StreamingResponse."""

    async def finite(request: Request) -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"b"]))

    async with opened(Starlette(routes=[Route("/", finite)])) as client:
        assert (await client.get("/")).content == b"ab"


async def test_R14_receive_after_the_response_is_a_disconnect(opened: Any) -> None:
    """As a server does once the response is complete."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await answering(200, None, b"ok")(scope, receive, send)
        seen.append((await receive())["type"])

    async with opened(app) as client:
        await client.get("/")
    assert seen == ["http.disconnect"]


async def test_R15_head_has_no_body(opened: Any) -> None:
    """Even when the app sends one; its headers stay."""
    async with opened(answering(200, [(b"content-length", b"3")], b"abc")) as client:
        response = await client.head("/")
    assert (response.content, response.headers["content-length"]) == (b"", "3")


async def test_R16_duplicate_set_cookie(opened: Any) -> None:
    """Both kept, in order, and both in the jar; nothing is added."""
    headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    async with opened(answering(201, headers, b"he", b"llo")) as client:
        response = await client.get("/")
    assert (response.status_code, response.text) == (201, "hello")
    assert response.headers.raw == headers
    assert (client.cookies.get("a"), client.cookies.get("b")) == ("1", "2")


async def test_R17_optional_keys_may_be_missing(opened: Any) -> None:
    """`headers` and `body`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async with opened(app) as client:
        assert (await client.get("/")).status_code == 204


async def test_R18_header_bytes_survive(opened: Any) -> None:
    """A value that is no ASCII."""
    async with opened(answering(200, [(b"x-latin", b"\xe9")])) as client:
        assert (await client.get("/")).headers.raw == [(b"x-latin", b"\xe9")]


async def test_R19_gzip_is_decoded(opened: Any) -> None:
    """As the library does."""
    app = answering(200, [(b"content-encoding", b"gzip")], gzip.compress(b"packed"))
    async with opened(app) as client:
        assert (await client.get("/")).content == b"packed"


@pytest.mark.parametrize("kind", [memoryview, bytearray])
async def test_R20_other_bytes(opened: Any, kind: Any) -> None:
    """A memoryview and a bytearray are bodies too."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({**BODY, "body": kind(b"view")})

    async with opened(app) as client:
        assert (await client.get("/")).content == b"view"


async def test_redirects_are_the_librarys(opened: Any) -> None:
    """Not followed by default, with `next_request`; followed with their history on demand."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/old":
            await answering(302, [(b"location", b"/new")])(scope, receive, send)
        else:
            await answering(200, None, b"new")(scope, receive, send)

    async with opened(app) as client:
        response = await client.get("/old")
        assert response.status_code == 302
        assert response.next_request is not None
        assert (await client.send(response.next_request)).text == "new"
        followed = await client.get("/old", follow_redirects=True)
        assert [item.status_code for item in followed.history] == [302]
        assert followed.text == "new"


async def test_hooks_and_auth_are_the_librarys(opened: Any) -> None:
    """Event hooks run, an auth flow is followed, `auth=None` is no auth."""
    seen: list[str] = []

    async def hook(request: Any) -> None:
        seen.append(request.headers.get("authorization", "none")[:5])

    async with opened(answering(), auth=("ann", "pw"), event_hooks={"request": [hook]}) as client:
        await client.get("/")
        await client.get("/", auth=None)
    assert seen == ["Basic", "none"]


async def test_sse_of_httpx2_is_a_plain_stream(opened: Any, http: Any) -> None:
    """Its own `client.sse()` works on the transport."""
    if http.__name__ == "httpx":
        pytest.skip("httpx has none")

    async def events(request: Request) -> PlainTextResponse:
        return PlainTextResponse("data: 1\n\ndata: 2\n\n", media_type="text/event-stream")

    app = Starlette(routes=[Route("/", events)])
    async with opened(app) as client, http.AsyncClient.sse(client, "http://testserver/") as source:
        assert [event.data async for event in source] == ["1", "2"]


async def test_a_streamed_response_is_the_librarys_in_all(opened: Any) -> None:
    """Its `elapsed`, its cookies, and a redirect that is not followed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"set-cookie", b"a=1"), (b"location", b"/new")]
        status = 302 if scope["path"] == "/old" else 200
        await answering(status, headers, b"body")(scope, receive, send)

    async with opened(app) as client:
        async with client.stream("GET", "/") as response:
            assert await response.aread() == b"body"
        assert response.elapsed.total_seconds() > 0
        assert client.cookies.get("a") == "1"
        async with client.stream("GET", "/old") as response:
            assert response.next_request is not None
            assert await response.aread() == b"body"
        async with client.stream("GET", "/old", follow_redirects=True) as response:
            assert response.status_code == 200
            assert await response.aread() == b"body"
