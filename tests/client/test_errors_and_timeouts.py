"""Exceptions arrive as themselves; timeouts are the library's; nothing leaks out."""

from __future__ import annotations

import contextvars
from typing import Any

import anyio
import httpx
import pytest
from apps import BODY, START, answering, sending
from fastapi import FastAPI

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi.client.errors import ProtocolViolation

VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="unset")


class Boom(Exception):
    pass


def raising(*messages: dict[str, Any], error: BaseException | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        raise error or Boom("boom")

    return app


MID_BODY = (START, {**BODY, "more_body": True})


@pytest.mark.parametrize("messages", [(), (START,), MID_BODY, (START, BODY)])
async def test_the_apps_exception_reaches_the_caller_as_itself(messages: Any) -> None:
    """Before the start, after it, in mid-body and after the response: never wrapped."""
    async with open_app(raising(*messages), lifespan=False) as client:
        with pytest.raises(Boom):
            await client.get("/")


async def test_an_exception_surfaces_while_iterating_a_stream() -> None:
    """The chunks before it are delivered."""
    async with open_app(raising(*MID_BODY), lifespan=False) as client:
        chunks: list[bytes] = []
        with pytest.raises(Boom):
            async with client.stream("GET", "/") as response:
                async for chunk in response.aiter_raw():
                    chunks.append(chunk)
        assert chunks == [b"x"]


async def test_a_timeout_error_of_the_app_stays_the_apps() -> None:
    """It is not mistaken for the client's own timeout."""
    async with open_app(raising(error=TimeoutError("the app's")), lifespan=False) as client:
        with pytest.raises(TimeoutError, match="the app's"):
            await client.get("/")


async def test_a_pytest_outcome_passes_through() -> None:
    """`pytest.fail` in an override fails the test, unwrapped."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pytest.fail("from inside")

    async with open_app(app, lifespan=False) as client:
        with pytest.raises(pytest.fail.Exception, match="from inside"):
            await client.get("/")


async def test_no_raise_mode_is_a_server() -> None:
    """500 before the start; in mid-body a protocol error, never a short 200."""
    async with open_app(raising(), lifespan=False, raise_app_exceptions=False) as client:
        assert (await client.get("/")).status_code == 500
    async with open_app(raising(*MID_BODY), lifespan=False, raise_app_exceptions=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", "/") as response:
                await response.aread()


async def test_starlettes_own_500_in_no_raise_mode() -> None:
    """Starlette answers 500 and then raises: raise mode prefers the exception."""
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        raise Boom("inside")

    async with open_app(app, raise_app_exceptions=False) as client:
        assert (await client.get("/")).text == "Internal Server Error"
    async with open_app(app) as client:
        with pytest.raises(Boom):
            await client.get("/")


async def test_the_client_is_usable_after_an_exception_and_others_are_untouched() -> None:
    """One failing request changes nothing for a concurrent one, nor for the next."""
    statuses: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0)
        if scope["path"] == "/bad":
            raise Boom("bad")
        await answering(200, None, b"ok")(scope, receive, send)

    async with open_app(app, lifespan=False) as client:

        async def good() -> None:
            statuses.append((await client.get("/good")).status_code)

        async def bad() -> None:
            with pytest.raises(Boom):
                await client.get("/bad")

        async with anyio.create_task_group() as group:
            group.start_soon(good)
            group.start_soon(bad)
        await good()
    assert statuses == [200, 200]


async def test_read_timeout_before_the_start() -> None:
    """An app that never answers is httpx.ReadTimeout, its request set; the app is stopped."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("ended")

    async with open_app(app, lifespan=False) as client:
        with pytest.raises(httpx.ReadTimeout, match="the app sent nothing for 20 ms") as caught:
            await client.get("/never", timeout=0.02)
        assert caught.value.request.url.path == "/never"
        assert ended == ["ended"]


async def test_read_timeout_between_chunks() -> None:
    """Streaming or not, `read` bounds each wait."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({**BODY, "more_body": True})
        await anyio.sleep_forever()

    async with open_app(app, lifespan=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/", timeout=0.02)
        async with client.stream("GET", "/", timeout=0.02) as response:
            with pytest.raises(httpx.ReadTimeout):
                await response.aread()


async def test_each_chunk_restarts_the_read_timeout() -> None:
    """Per read, as on a socket: a slow but steady body is no timeout."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(5):
            await anyio.sleep(0.04)
            await send({**BODY, "more_body": number < 4})

    async with open_app(app, lifespan=False) as client:
        assert (await client.get("/", timeout=0.15)).content == b"xxxxx"


async def test_a_cancelled_caller_stops_the_app() -> None:
    """The app first sees a disconnect, as with a real server; no task is left."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        seen.append((await receive())["type"])

    async with open_app(app, lifespan=False) as client:
        with anyio.move_on_after(0.02) as scope:
            await client.get("/")
        assert scope.cancelled_caught
        assert seen == ["http.disconnect"]


async def test_context_goes_in_and_does_not_come_out() -> None:
    """The test's context variables are seen by the app; the app's do not leak back."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inside = VAR.get()
        VAR.set("set by the app")
        await answering(200, None, inside.encode())(scope, receive, send)

    async with open_app(app, lifespan=False) as client:
        VAR.set("set by the test")
        assert (await client.get("/")).text == "set by the test"
        assert VAR.get() == "set by the test"


async def test_an_event_of_the_test_wakes_the_app() -> None:
    """App and test share the loop; two requests can meet inside the app."""
    first_in, second_in = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        mine, other = (first_in, second_in) if scope["path"] == "/1" else (second_in, first_in)
        mine.set()
        await other.wait()
        await answering(200, None, b"met")(scope, receive, send)

    async with open_app(app, lifespan=False) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "/1")
            group.start_soon(client.get, "/2")


VIOLATIONS = [
    ((), "returned without sending a response"),
    ((START,), "returned before its response was complete"),
    (MID_BODY, "returned before its response was complete"),
    ((START, START), "sent http.response.start twice"),
    ((BODY,), "sent http.response.body before http.response.start"),
    (({"type": "http.nonsense"},), "sent a message of type 'http.nonsense'"),
    (({**START, "headers": [("a", "b")]},), r"sent the header \('a', 'b'\)"),
    (({**START, "status": "200"},), "sent a status of '200'"),
    ((START, {**BODY, "body": "text"}), "sent a body of type str"),
    (
        ({**START, "headers": [(b"content-length", b"10")]}, BODY),
        "declared Content-Length: 10 but sent 1 bytes",
    ),
    (({**START, "headers": [(b"content-length", b"ten")]},), "sent Content-Length: 'ten'"),
]


@pytest.mark.parametrize(("messages", "text"), VIOLATIONS)
async def test_protocol_violations_are_worded(messages: Any, text: str) -> None:
    """Each breach of the protocol is an error that names the request and the fix."""
    async with open_app(sending(*messages), lifespan=False) as client:
        with pytest.raises(ProtocolViolation, match=f"GET /x: the app {text}.*Fix: "):
            await client.get("/x")


async def test_a_swallowed_violation_is_still_told() -> None:
    """An app that catches our error in `send()` cannot hide it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            await send(START)
        except Exception:
            await send(BODY)

    async with open_app(app, lifespan=False) as client:
        with pytest.raises(ProtocolViolation, match="twice"):
            await client.get("/")


async def test_messages_after_the_response_are_ignored() -> None:
    """As the specification says."""
    async with open_app(sending(START, BODY, BODY), lifespan=False) as client:
        assert (await client.get("/")).text == "x"
