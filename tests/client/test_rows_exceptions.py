"""Rows E: the app's exceptions arrive as themselves, or as a server would show them."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
import sniffio
from apps import BODY, START, answering
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MORE = {**BODY, "more_body": True}


class Boom(Exception):
    pass


def raising(*messages: dict[str, Any], error: BaseException | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        raise error or Boom("boom")

    return app


async def raises(opened: Any, app: Any) -> None:
    async with opened(app) as client:
        with pytest.raises(Boom, match="boom"):
            await client.get("/")


async def test_E01_before_the_start(opened: Any) -> None:
    """Unwrapped."""
    await raises(opened, raising())


async def test_E02_after_the_start(opened: Any) -> None:
    """Unwrapped."""
    await raises(opened, raising(START))


async def test_E03_in_mid_body(opened: Any) -> None:
    """Unwrapped."""
    await raises(opened, raising(START, MORE))


async def test_E04_while_iterating_a_stream(opened: Any) -> None:
    """The chunks before it are delivered."""
    chunks: list[bytes] = []
    async with opened(raising(START, MORE)) as client:
        with pytest.raises(Boom, match="boom"):
            async with client.stream("GET", "/") as response:
                async for chunk in response.aiter_raw():
                    chunks.append(chunk)
    assert chunks == [b"x"]


async def test_E05_after_the_response(opened: Any) -> None:
    """A background task, for one."""
    await raises(opened, raising(START, BODY))

    async def later() -> None:
        raise Boom("boom")

    async def endpoint(request: Request) -> JSONResponse:
        return JSONResponse({}, background=BackgroundTask(later))

    await raises(opened, Starlette(routes=[Route("/", endpoint)]))


async def test_E06_no_raise_mode_before_the_start(opened: Any) -> None:
    """A 500; the framework's own 500 where it sends one before it raises."""

    async def endpoint(request: Request) -> None:
        raise Boom("boom")

    for app in (raising(), Starlette(routes=[Route("/", endpoint)])):
        async with opened(app, raise_app_exceptions=False) as client:
            response = await client.get("/")
            assert (response.status_code, response.text) == (500, "Internal Server Error")


async def test_E07_no_raise_mode_in_mid_body(opened: Any, http: Any) -> None:
    """A protocol error, never a short 200."""
    words = "peer closed connection without sending complete message body"
    async with opened(raising(START, MORE), raise_app_exceptions=False) as client:
        with pytest.raises(http.RemoteProtocolError, match=f"^{words}$") as caught:
            await client.get("/x")
        assert caught.value.request.url.path == "/x"
        with pytest.raises(http.RemoteProtocolError, match=words):
            async with client.stream("GET", "/") as response:
                await response.aread()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
async def test_E08_a_base_exception_of_the_app(opened: Any, error: BaseException) -> None:
    """It reaches the caller, who can go on; the loop lives."""
    async with opened(raising(error=error)) as client:
        with pytest.raises(type(error)):
            await client.get("/")
        with pytest.raises(type(error)):
            await client.get("/")


async def failing_in_turn(scope: Any, receive: Any, send: Any) -> None:
    await anyio.sleep(0)
    if scope["path"] == "/bad":
        raise Boom("bad")
    await answering(200, None, b"ok")(scope, receive, send)


async def test_E09_the_client_is_usable_afterwards(opened: Any) -> None:
    """The next request is as good as the first."""
    async with opened(failing_in_turn) as client:
        for _ in range(2):
            with pytest.raises(Boom):
                await client.get("/bad")
            assert (await client.get("/good")).text == "ok"


async def test_E10_a_concurrent_request_is_untouched(opened: Any) -> None:
    """One fails, the other is answered."""
    answers: list[str] = []
    async with opened(failing_in_turn) as client:

        async def good() -> None:
            answers.append((await client.get("/good")).text)

        async def bad() -> None:
            with pytest.raises(Boom):
                await client.get("/bad")

        async with anyio.create_task_group() as group:
            group.start_soon(good)
            group.start_soon(bad)
    assert answers == ["ok"]


async def test_E11_a_failure_in_the_block_stays_itself(opened: Any) -> None:
    """No exception group around an assertion of the test."""
    with pytest.raises(AssertionError, match="^mine$"):
        async with opened(answering()) as client:
            await client.get("/")
            raise AssertionError("mine")


async def test_E12_a_failure_in_a_stream_block_stays_itself(opened: Any) -> None:
    """Nor inside `client.stream()`, while the app still runs."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await anyio.sleep_forever()

    async with opened(app) as client:
        with pytest.raises(AssertionError, match="^mine$"):
            async with client.stream("GET", "/"):
                raise AssertionError("mine")


async def test_a_pytest_outcome_passes_through(opened: Any) -> None:
    """`pytest.fail` in an override fails the test, unwrapped."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pytest.fail("from inside")

    async with opened(app) as client:
        with pytest.raises(pytest.fail.Exception, match="from inside"):
            await client.get("/")


async def test_a_cancellation_of_its_own_task_is_told_in_words(opened: Any) -> None:
    """It must not cancel the test."""
    if sniffio.current_async_library() != "asyncio":
        pytest.skip("an app on trio cannot raise it itself")
    error = asyncio.CancelledError()
    async with opened(raising(error=error)) as client:
        with pytest.raises(RuntimeError) as caught:
            await client.get("/x")
    words = "GET /x: the app cancelled its own task; a server would drop the request"
    assert str(caught.value) == words
    assert caught.value.__cause__ is error


async def test_one_request_or_one_view_may_have_the_server_mode(opened: Any) -> None:
    """`extensions={"raise_app_exceptions": False}`, and a view that has it for all."""
    async with opened(raising()) as client:
        quiet = {"raise_app_exceptions": False}
        assert (await client.get("/", extensions=quiet)).status_code == 500
        async with client.stream("GET", "/", extensions=quiet) as response:
            assert response.status_code == 500
        with pytest.raises(Boom):
            await client.get("/")
        server = client.as_(raise_app_exceptions=False)
        assert (await server.get("/")).status_code == 500
        with pytest.raises(Boom):
            await server.get("/", extensions={"raise_app_exceptions": True})
        with pytest.raises(Boom):
            await client.get("/")
