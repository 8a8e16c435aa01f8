"""What a request leaves for the garbage collector: nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from pytest_asyncfastapi._client.app_run import AppRun


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers, in two parts; `/fails` raises before, `/breaks` in between."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        return
    if scope["path"] == "/fails":
        raise ValueError("of the app")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    if scope["path"] == "/breaks":
        raise ValueError("of the app")
    await send({"type": "http.response.body", "body": b"b"})


def exchanges() -> list[AppRun]:
    """Those that are alive."""
    return [each for each in gc.get_objects() if isinstance(each, AppRun)]


async def request(client: Any, path: str, *, streams: bool) -> None:
    """One request, of which the caller keeps nothing."""
    with suppress(ValueError):
        if streams:
            async with client.stream("GET", path) as response:
                await response.aread()
        else:
            await client.get(path)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("path", "streams"),
    # Not a stream that breaks: contextlib's own frame keeps an error that its block raises.
    [("/", False), ("/fails", False), ("/breaks", False), ("/", True), ("/fails", True)],
)
async def test_a_request_is_freed_at_once(
    opened: Callable[..., Any], path: str, streams: bool
) -> None:
    """Its task has a context that knows it, and its error a traceback that knows its frames."""
    async with opened(app) as client:
        before = exchanges()
        for _ in range(3):
            await request(client, path, streams=streams)
        assert exchanges() == before


async def converse(client: Any) -> None:
    """One WebSocket, of which the caller keeps nothing."""
    async with client.websocket("/") as ws:
        await ws.send("hello")
        assert await ws.receive() == "hello"


@pytest.mark.usefixtures("no_collector")
async def test_a_websocket_is_freed_at_once(opened: Callable[..., Any]) -> None:
    """The request of its handshake does not know it any more."""
    async with opened(app) as client:
        before = exchanges()
        for _ in range(3):
            await converse(client)
        assert exchanges() == before
