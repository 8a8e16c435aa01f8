"""httpx2's own WebSocket, over the same client: frames, pings, closes, rejections."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from sockets import ACCEPT, Recording, echo, sending

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._faults import Faults

pytest.importorskip("httpx2.websockets")
from httpx2.websockets import (  # noqa: E402
    AsyncWebSocketClient,
    WebSocketDisconnect,
    WebSocketNetworkError,
    WebSocketUpgradeError,
)

URL = "http://testserver/ws"


def connected(url: str, client: Any, **options: Any) -> Any:
    return AsyncWebSocketClient(client).connect(url, **options)


def opened(app: Any, **options: Any) -> Any:
    return open_app(app, client="httpx2", lifespan=False, **options)


async def test_text_bytes_and_large_messages() -> None:
    """Cut into frames and put together again."""
    async with opened(echo) as client, connected(URL, client) as ws:
        await ws.send_text("é")
        assert await ws.receive_text() == "é"
        await ws.send_text("")
        assert await ws.receive_text() == ""
        await ws.send_bytes(b"x" * 60_000)
        assert await ws.receive_bytes() == b"x" * 60_000


async def test_a_ping_is_answered() -> None:
    """By the server's end, as by a server: the app does not see it."""
    app = Recording()
    async with opened(app) as client, connected(URL, client) as ws:
        pong = await ws.ping(b"1")
        with anyio.fail_after(5):
            await pong.wait()
    assert [message["type"] for message in app.seen] == ["websocket.disconnect"]


async def test_subprotocols_and_the_close_of_the_client() -> None:
    """The app sees the code and the reason of the client's close frame."""
    app = Recording({**ACCEPT, "subprotocol": "v2"})
    async with opened(app) as client:
        async with connected(URL, client, subprotocols=["v1", "v2"]) as ws:
            assert ws.subprotocol == "v2"
            await ws.close(4002, "enough")
    assert app.seen == [{"type": "websocket.disconnect", "code": 4002, "reason": "enough"}]


async def test_the_close_of_the_app() -> None:
    """With its code and reason."""
    close = {"type": "websocket.close", "code": 4001, "reason": "kicked"}
    app = sending(ACCEPT, {"type": "websocket.send", "text": "bye"}, close)
    async with opened(app) as client, connected(URL, client) as ws:
        assert await ws.receive_text() == "bye"
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.receive_text()
    assert (caught.value.code, caught.value.reason) == (4001, "kicked")


async def test_a_rejection_is_httpx2s() -> None:
    """With the response that the app gave."""
    async with opened(sending({"type": "websocket.close"})) as client:
        with pytest.raises(WebSocketUpgradeError) as caught:
            async with connected(URL, client):
                pytest.fail("entered")
    assert caught.value.response.status_code == 403


async def test_sockets_open_at_once_have_their_own_scopes() -> None:
    """/a and /b are seen as /a and /b."""
    app = Recording()
    async with opened(app) as client:
        async with connected(URL + "/a", client), connected(URL + "/b", client):
            pass
    assert [scope["path"] for scope in app.scopes] == ["/ws/a", "/ws/b"]


async def test_a_client_fault_loses_the_connection() -> None:
    """`faults.client` decides for this socket too, and tells it by its own exception."""
    faults = Faults(0, "the test")
    rule = faults.client.disconnect(at="first_byte")
    async with opened(echo, way_in=faults.client.decide) as client:
        received = []
        with pytest.raises(BaseException) as caught:  # on trio in a group, the library's own
            async with connected(URL, client) as ws:
                await ws.send_text("a")
                while True:
                    received.append(await ws.receive_text())
        error = caught.value
        while isinstance(error, BaseExceptionGroup):
            (error,) = error.exceptions
        assert isinstance(error, WebSocketNetworkError)
    assert received in ([], ["a"])
    assert rule.hits == 1
