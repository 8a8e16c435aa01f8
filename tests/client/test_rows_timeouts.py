"""Rows T: timeouts and cancellation."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from apps import BODY, START

MORE = {**BODY, "more_body": True}


async def test_T01_before_the_start(opened: Any, http: Any) -> None:
    """An app that never answers is the library's ReadTimeout, its request set."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep_forever()

    async with opened(app) as client:
        with pytest.raises(http.ReadTimeout) as caught:
            await client.get("/never", timeout=0.02)
        assert str(caught.value) == "GET /never: the app sent nothing for 20 ms"
        assert caught.value.request.url.path == "/never"
        with pytest.raises(http.ReadTimeout):
            async with client.stream("GET", "/never", timeout=0.02):
                pass


async def test_T02_between_chunks(opened: Any, http: Any) -> None:
    """Streaming or not, `read` bounds each wait."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        await anyio.sleep_forever()

    async with opened(app) as client:
        with pytest.raises(http.ReadTimeout):
            await client.get("/", timeout=0.02)
        async with client.stream("GET", "/", timeout=0.02) as response:
            with pytest.raises(http.ReadTimeout):
                await response.aread()


async def test_T03_the_app_is_told_and_then_stopped(opened: Any, http: Any) -> None:
    """After a timeout it sees a disconnect; one that does not listen is cancelled."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            if scope["path"] == "/listens":
                seen.append((await receive())["type"])
            else:
                await anyio.sleep_forever()
        finally:
            seen.append("ended")

    async with opened(app) as client:
        with pytest.raises(http.ReadTimeout):
            await client.get("/listens", timeout=0.02)
        assert seen == ["http.disconnect", "ended"]
        with pytest.raises(http.ReadTimeout):
            await client.get("/sleeps", timeout=0.02)
        assert seen[2:] == ["ended"]


async def test_T04_a_cancelled_caller_stops_the_app(opened: Any) -> None:
    """No task is left."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("ended")

    async with opened(app) as client:
        with anyio.move_on_after(0.02) as scope:
            await client.get("/")
        assert scope.cancelled_caught
        assert ended == ["ended"]


async def test_T05_a_cancelled_caller_is_a_disconnect(opened: Any) -> None:
    """The app that awaits `receive()` sees what a server would tell it."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        seen.append((await receive())["type"])

    async with opened(app) as client:
        with anyio.move_on_after(0.02) as scope:
            await client.get("/")
        assert scope.cancelled_caught
        assert seen == ["http.disconnect"]


async def test_T06_each_chunk_restarts_the_timeout(opened: Any) -> None:
    """Per read, as on a socket: a slow but steady body is no timeout, streamed or not."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(5):
            await anyio.sleep(0.06)
            await send({**BODY, "more_body": number < 4})

    async with opened(app) as client:
        assert (await client.get("/", timeout=0.25)).content == b"xxxxx"
        async with client.stream("GET", "/", timeout=0.25) as response:
            assert await response.aread() == b"xxxxx"


async def test_a_timeout_error_of_the_app_stays_the_apps(opened: Any) -> None:
    """It is not mistaken for the client's own timeout."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise TimeoutError("the app's")

    async with opened(app) as client:
        with pytest.raises(TimeoutError, match="^the app's$"):
            await client.get("/")
