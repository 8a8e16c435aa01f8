"""`faults.client`: the client leaves, dribbles its upload, or reads slowly."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from apps import BODY, START, answering
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pytest_asyncfastapi._faults import Faults

MORE = {**BODY, "more_body": True}
# Starlette leaves a generator that waits at its `yield` to the garbage collector.
LEFT_EARLY = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:Async generator"
)


def streaming_app(log: list[str]) -> Starlette:
    """Ten chunks of ten bytes, 50 ms apart, from a generator that cleans up."""

    async def stream(request: Request) -> StreamingResponse:
        async def chunks() -> Any:
            try:
                for _ in range(10):
                    yield b"x" * 10
                    await anyio.sleep(0.05)
                log.append("to the end")
            finally:
                log.append("closed")

        return StreamingResponse(chunks())

    return Starlette(routes=[Route("/report", stream)])


class Passing(BaseHTTPMiddleware):
    """Stands in front, and starts a task of its own for the app."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        return await call_next(request)


WAYS = {
    "disconnect(after='20ms')": {"after": "20ms"},
    "disconnect(after_bytes=25)": {"after_bytes": 25},
    "disconnect(at='start')": {"at": "start"},
    "disconnect(at='first_byte')": {"at": "first_byte"},
}


@LEFT_EARLY
@pytest.mark.parametrize("middleware", [False, True], ids=["bare", "middleware"])
@pytest.mark.parametrize("text", WAYS)
async def test_leaving_a_streaming_response(
    faulty: Any, faults: Faults, http: Any, text: str, middleware: bool
) -> None:
    """The generator is closed in the middle; the caller gets the library's ReadError."""
    log: list[str] = []
    app = streaming_app(log)

    if middleware:
        app.add_middleware(Passing)
    rule = faults.client.disconnect(**WAYS[text])
    async with faulty(app) as client:
        with pytest.raises(http.ReadError) as caught:
            await client.get("/report")
        assert str(caught.value) == f"GET /report: the client left: faults.client.{text}"
        assert caught.value.request.url.path == "/report"
        assert "to the end" not in log
        # Where the app lies in `send()` at that moment, its generator waits at its `yield`.
        if "after=" in text:
            assert log == ["closed"]
        log.clear()
        chunks = []
        with pytest.raises(http.ReadError):
            async with client.stream("GET", "/report") as response:
                assert response.status_code == 200
                async for chunk in response.aiter_raw():
                    chunks.append(chunk)
        assert len(chunks) < 10
        assert "to the end" not in log
    assert (rule.seen, rule.hits) == (2, 2)
    assert faults.findings() == []


async def test_gone_once_the_request_is_sent(faulty: Any, faults: Faults, http: Any) -> None:
    """`at="request"`: a server then has a disconnect for the app, not the body."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        await send(START)
        seen.append("went on")

    faults.client.disconnect(at="request")
    async with faulty(app) as client:
        with pytest.raises(http.ReadError):
            await client.post("/x", content=b"body")
    assert seen == [{"type": "http.disconnect"}, "went on"]


async def test_starlettes_client_disconnect_is_no_news(
    faulty: Any, faults: Faults, http: Any
) -> None:
    """What Starlette raises when the client left in mid-upload is not the app's mistake."""

    async def endpoint(request: Request) -> PlainTextResponse:
        await request.body()
        return PlainTextResponse("ok")

    faults.client.disconnect(at="request")
    async with faulty(Starlette(routes=[Route("/", endpoint, methods=["POST"])])) as client:
        with pytest.raises(http.ReadError):
            await client.post("/", content=b"body")


async def test_an_error_in_the_clean_up_is_the_apps(faulty: Any, faults: Faults) -> None:
    """The mistake that such a test is for: it reaches the caller as itself."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await receive()
        raise LookupError("not in the clean-up either")

    faults.client.disconnect(at="start")
    async with faulty(app) as client:
        with pytest.raises(LookupError):
            await client.get("/")


async def test_schedules_and_paths(faulty: Any, faults: Faults, http: Any) -> None:
    """`.first(n)` and `path=`, a glob."""
    faults.client.disconnect(at="start", path="/slow/*").first(1)
    async with faulty(answering(200, None, b"ok")) as client:
        assert (await client.get("/fast")).text == "ok"
        with pytest.raises(http.ReadError):
            await client.get("/slow/1?x=1")
        assert (await client.get("/slow/2")).text == "ok"


async def test_slow_upload(faulty: Any, faults: Faults) -> None:
    """A body in memory arrives in pieces, over time; a streamed one with pauses."""
    arrived: list[tuple[bytes, float]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        began = anyio.current_time()
        while more:
            message = await receive()
            more = message["more_body"]
            arrived.append((message["body"], anyio.current_time() - began))
        await answering(200, None, b"ok")(scope, receive, send)

    async def upload() -> Any:
        yield b"a"
        yield b"b"

    rule = faults.client.slow_upload(chunks=4, over="80ms")
    async with faulty(app) as client:
        await client.post("/", content=b"0123456789")
        assert [body for body, _ in arrived] == [b"012", b"345", b"678", b"9"]
        assert arrived[-1][1] >= 0.075
        arrived.clear()
        await client.post("/", content=upload())
        assert [body for body, _ in arrived if body] == [b"a", b"b"]
        assert arrived[1][1] >= 0.035
        await client.get("/")  # no body, nothing to be slow about
    assert (rule.seen, rule.hits) == (2, 2)


async def test_slow_reader(faulty: Any, faults: Faults) -> None:
    """The app's `send()` waits for each chunk, streamed or not."""
    spent: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began = anyio.current_time()
        await send(START)
        for number in range(4):
            await send({**BODY, "more_body": number < 3})
        spent.append(anyio.current_time() - began)

    faults.client.slow_reader(delay="10ms")
    async with faulty(app) as client:
        assert (await client.get("/")).content == b"xxxx"
        async with client.stream("GET", "/") as response:
            assert await response.aread() == b"xxxx"
    assert len(spent) == 2
    assert min(spent) >= 0.035


@pytest.mark.parametrize("middleware", [False, True], ids=["bare", "middleware"])
async def test_slow_both_ways_through_starlette(
    faulty: Any, faults: Faults, middleware: bool
) -> None:
    """A StreamingResponse of what is uploaded, from a generator that cleans up."""
    log: list[str] = []

    async def echo(request: Request) -> StreamingResponse:
        pieces = [chunk async for chunk in request.stream() if chunk]
        log.extend(piece.decode() for piece in pieces)

        async def chunks() -> Any:
            try:
                for piece in pieces:
                    yield piece
            finally:
                log.append("closed")

        return StreamingResponse(chunks())

    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    if middleware:
        app.add_middleware(Passing)
    upload = faults.client.slow_upload(chunks=4, over="40ms")
    reader = faults.client.slow_reader(delay="10ms")
    async with faulty(app) as client:
        for way in ("whole", "streamed"):
            log.clear()
            began = anyio.current_time()
            if way == "whole":
                assert (await client.post("/", content=b"abcd")).text == "abcd"
            else:
                async with client.stream("POST", "/", content=b"abcd") as response:
                    assert await response.aread() == b"abcd"
            assert log == ["a", "b", "c", "d", "closed"]
            assert anyio.current_time() - began >= 0.075
    assert (upload.hits, reader.hits) == (2, 2)


async def test_a_slow_upload_with_two_listeners(faulty: Any, faults: Faults) -> None:
    """Starlette listens for the disconnect while a response streams what is uploaded."""
    got: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def listen() -> None:
            while (message := await receive())["type"] == "http.request":
                got.append(message["body"])
                if not message["more_body"]:
                    group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            group.start_soon(listen)
        await answering()(scope, receive, send)

    faults.client.slow_upload(chunks=3, over="30ms")
    async with faulty(app) as client:
        with anyio.fail_after(5):
            assert (await client.post("/", content=b"abc")).status_code == 200
    assert got == [b"a", b"b", b"c"]


async def test_a_slow_upload_that_is_polled_arrives_all_the_same(
    faulty: Any, faults: Faults
) -> None:
    """An app that gives up its `receive()` and asks again does not start it anew."""
    polls = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal polls
        message = None
        while message is None:
            polls += 1
            with anyio.move_on_after(0.005):
                message = await receive()
        assert message["body"] == b"ab"
        await answering()(scope, receive, send)

    faults.client.slow_upload(chunks=1, over="30ms")
    async with faulty(app) as client:
        with anyio.fail_after(5):
            assert (await client.post("/", content=b"ab")).status_code == 200
    assert polls > 1


async def test_faults_of_two_kinds_meet(faulty: Any, faults: Faults, http: Any) -> None:
    """The client leaves in the middle of its slow upload."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not seen or seen[-1] != "http.disconnect":
            seen.append((await receive())["type"])

    faults.client.slow_upload(chunks=10, over="10s")
    faults.client.disconnect(after="30ms")
    async with faulty(app) as client:
        with anyio.fail_after(5), pytest.raises(http.ReadError):
            await client.post("/", content=b"x" * 100)
    assert seen[-1] == "http.disconnect"


async def test_a_fault_that_never_happened_is_a_finding(faulty: Any, faults: Faults) -> None:
    """The response was over before; or no request was one that it is for."""
    faults.client.disconnect(after="10s")
    faults.client.slow_upload(chunks=2, over="1s", path="/up")
    faults.client.disconnect(after="20s").optional()
    faults.client.disconnect(at="start").after(5)
    async with faulty(answering(200, None, b"ok")) as client:
        assert (await client.get("/")).text == "ok"
    first, second, third = faults.findings()
    assert first.title == "client fault never hit: *: disconnect(after='10s')"
    assert first.evidence == "it saw 1 of them, and each was over before the fault was due"
    assert second.title == "client fault never hit: /up: slow_upload(chunks=2, over='1s')"
    assert second.evidence == "no request of asgi_client was one that it is for"
    assert third.evidence == "its schedule selected none of the 1 that it saw"
    assert first.remedy == "correct the path or the moment, or mark it .optional()"


def test_wrong_arguments_are_a_sentence(faults: Faults) -> None:
    """With what is understood."""
    client = faults.client
    with pytest.raises(TypeError, match="takes exactly one of after=, after_bytes= and at=.*of"):
        client.disconnect()
    with pytest.raises(TypeError, match="got 2 of them"):
        client.disconnect(after=1, at="start")
    with pytest.raises(ValueError, match="at='end' must be one of request"):
        client.disconnect(at="end")
    with pytest.raises(ValueError, match="delay='0s' must be more than 0, such as '10ms'"):
        client.slow_reader(delay="0s")
    with pytest.raises(ValueError, match="0 is not a count: write 1 or more"):
        client.slow_upload(chunks=0)
    assert repr(client) == "<ClientFaults rules=0>"


def test_with_the_fixtures_and_in_virtual_time(pytester: pytest.Pytester) -> None:
    """`faults.client` acts on `asgi_client`, costs no time, and an unused one fails the test."""
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = myapp:app\nasyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makepyfile(
        myapp="""
        import anyio
        from fastapi import FastAPI
        from fastapi.responses import StreamingResponse
        app = FastAPI()
        closed = []

        @app.get("/report")
        async def report():
            async def rows():
                try:
                    while True:
                        yield b"row"
                        await anyio.sleep(60)
                finally:
                    closed.append(anyio.current_time())
            return StreamingResponse(rows())
        """,
        test_it="""
        import httpx, pytest, time
        from myapp import closed

        async def test_leaves(asgi_client, faults):
            faults.client.disconnect(after="630s")
            began = time.perf_counter()
            with pytest.raises(httpx.ReadError, match="disconnect"):
                await asgi_client.get("/report")
            assert closed
            assert time.perf_counter() - began < 5

        async def test_never_hit(asgi_client, faults):
            faults.client.disconnect(at="start")
        """,
    )
    result = pytester.runpytest("-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*client fault never hit: [*]: disconnect(at='start')*"])
