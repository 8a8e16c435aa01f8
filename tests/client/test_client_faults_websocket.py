"""`faults.client` on WebSockets: lost, slow to send, slow to read."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from sockets import ACCEPT, echo
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from pytest_asyncfastapi import WebSocketClosed, WebSocketRejected
from pytest_asyncfastapi._faults import Faults

WAYS = {
    "disconnect(after='20ms')": {"after": "20ms"},
    "disconnect(after_bytes=25)": {"after_bytes": 25},
    "disconnect(at='start')": {"at": "start"},
    "disconnect(at='first_byte')": {"at": "first_byte"},
}


def ticking_app(log: list[str]) -> Starlette:
    """Ten messages of ten characters, 50 ms apart, from a generator that cleans up."""

    async def ticks() -> Any:
        try:
            for number in range(10):
                yield f"message {number} "
                await anyio.sleep(0.05)
            log.append("to the end")
        finally:
            log.append("closed")

    async def feed(socket: WebSocket) -> None:
        await socket.accept()
        source = ticks()
        try:
            async for tick in source:
                await socket.send_text(tick)
        finally:
            with anyio.CancelScope(shield=True):
                await source.aclose()
            log.append("left")

    return Starlette(routes=[WebSocketRoute("/feed", feed)])


@pytest.mark.parametrize("text", WAYS)
async def test_leaving_a_socket(faulty: Any, faults: Faults, http: Any, text: str) -> None:
    """What has arrived can be read; then the library's ReadError, and the app has ended."""
    log: list[str] = []
    rule = faults.client.disconnect(**WAYS[text])
    async with faulty(ticking_app(log)) as client:
        received = []
        async with client.websocket("/feed") as ws:
            with pytest.raises(http.ReadError) as caught:
                async for message in ws:
                    received.append(message)
            assert str(caught.value) == f"WS /feed: the client left: faults.client.{text}"
            assert caught.value.request.url.path == "/feed"
            # No wait after the error: the app has noticed, and cleaned up.
            assert log == ["closed", "left"]
            assert (ws.close_code, ws.close_reason) == (1006, "")
            with pytest.raises(http.ReadError):
                await ws.send("more")
    if "bytes" in text:
        assert len(received) == 3
    elif "first_byte" in text:
        assert len(received) == 1
    elif "start" in text:
        assert received == []
    else:
        assert len(received) < 10
    assert (rule.seen, rule.hits) == (1, 1)
    assert faults.findings() == []


async def test_gone_once_the_handshake_is_sent(faulty: Any, faults: Faults, http: Any) -> None:
    """`at="request"`: connect, then disconnect, as under uvicorn; nothing to enter."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        seen.append(await receive())
        with pytest.raises(OSError):
            await send(ACCEPT)
        seen.append("went on")

    faults.client.disconnect(at="request")
    async with faulty(app) as client:
        with pytest.raises(http.ReadError, match=r"disconnect\(at='request'\)"):
            async with client.websocket("/ws"):
                pass
    assert [item if isinstance(item, str) else item["type"] for item in seen] == [
        "websocket.connect",
        "websocket.disconnect",
        "went on",
    ]
    assert seen[1]["code"] == 1006


async def test_the_app_sees_the_code_of_a_lost_connection(
    faulty: Any, faults: Faults, http: Any
) -> None:
    """1005 after the accept; Starlette's WebSocketDisconnect is no failure of the app."""
    codes: list[int] = []

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        message = await socket.receive()
        codes.append(message["code"])
        await socket.receive_text()

    async def raising(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()

    faults.client.disconnect(after="10ms")
    routes = [WebSocketRoute("/code", endpoint), WebSocketRoute("/raise", raising)]
    async with faulty(Starlette(routes=routes)) as client:
        with pytest.raises(http.ReadError):
            async with client.websocket("/raise") as ws:
                await ws.receive()
        with pytest.raises(RuntimeError, match="disconnect"):
            # Starlette's own: `receive()` once more, after the disconnect. The app's mistake.
            async with client.websocket("/code") as ws:
                await ws.receive()
    assert codes == [1005]


async def test_an_error_in_the_clean_up_is_the_apps(faulty: Any, faults: Faults) -> None:
    """It reaches the caller as itself, in place of the ReadError."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        raise LookupError("not in the clean-up either")

    faults.client.disconnect(at="start")
    async with faulty(app) as client:
        with pytest.raises(LookupError):
            async with client.websocket("/") as ws:
                await ws.receive()


async def test_a_close_before_the_moment_is_a_close(faulty: Any, faults: Faults) -> None:
    """A client that has closed does not leave any more; and that is a finding."""
    faults.client.disconnect(after="500ms")  # a busy machine closes in time, too
    async with faulty(echo) as client:
        async with client.websocket("/") as ws:
            await ws.send("a")
            assert await ws.receive() == "a"
            await ws.close(4000)
            await anyio.sleep(0.55)
            assert ws.close_code == 4000
            with pytest.raises(WebSocketClosed):
                await ws.receive()
    (finding,) = faults.findings()
    assert finding.evidence == "it saw 1 of them, and each was over before the fault was due"


async def test_a_rejection_and_a_cut_denial(faulty: Any, faults: Faults, http: Any) -> None:
    """A rejection comes before the fault; the body of a denial counts as bytes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/closed":
            return await send({"type": "websocket.close"})
        kind = "websocket.http.response."
        await send({"type": kind + "start", "status": 401, "headers": []})
        await send({"type": kind + "body", "body": b"no tok", "more_body": True})
        await send({"type": kind + "body", "body": b"en"})

    faults.client.disconnect(after_bytes=5)
    async with faulty(app) as client:
        with pytest.raises(WebSocketRejected):
            async with client.websocket("/closed"):
                pass
        with pytest.raises(http.ReadError, match="after_bytes=5"):
            async with client.websocket("/denied"):
                pass


async def test_a_slow_reader_holds_the_app_back(faulty: Any, faults: Faults) -> None:
    """`send()` of the app waits for each message; all arrive, in order."""
    spent: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        began = anyio.current_time()
        for number in range(4):
            await send({"type": "websocket.send", "text": str(number)})
        spent.append(anyio.current_time() - began)
        await send({"type": "websocket.close"})

    rule = faults.client.slow_reader(delay="10ms")
    async with faulty(app) as client:
        async with client.websocket("/") as ws:
            assert [message async for message in ws] == ["0", "1", "2", "3"]
            assert ws.close_code == 1000
    assert spent[0] >= 0.035
    assert rule.hits == 1


async def test_a_slow_upload_delays_each_message(faulty: Any, faults: Faults) -> None:
    """Whole and in order, each `over` after the one before; also for an app that polls."""
    arrived: list[float] = []
    began = 0.0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        while True:
            message = None
            while message is None:
                with anyio.move_on_after(0.005):
                    message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            arrived.append(anyio.current_time() - began)
            await send({"type": "websocket.send", "text": message["text"]})

    rule = faults.client.slow_upload(over="20ms")
    async with faulty(app) as client:
        async with client.websocket("/") as ws:
            began = anyio.current_time()
            await ws.send("a")
            await ws.send("b")
            with anyio.fail_after(5):
                assert [await ws.receive(), await ws.receive()] == ["a", "b"]
    assert arrived[0] >= 0.015
    assert arrived[1] >= 0.035
    assert rule.hits == 1


async def test_a_slow_upload_is_flushed_by_a_close_and_lost_by_a_cut(
    faulty: Any, faults: Faults, http: Any
) -> None:
    """What was on its way."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.clear()
        await receive()
        await send(ACCEPT)
        while not seen or "code" not in seen[-1]:
            seen.append(await receive())

    faults.client.slow_upload(over="10s")
    async with faulty(app) as client:
        async with client.websocket("/") as ws:
            await ws.send("a")
        assert [message.get("text") for message in seen] == ["a", None]
        faults.client.disconnect(after="20ms")
        async with client.websocket("/") as ws:
            await ws.send("a")
            with pytest.raises(http.ReadError):
                await ws.receive()
        assert [message["type"] for message in seen] == ["websocket.disconnect"]


async def test_two_kinds_meet_and_paths_choose(faulty: Any, faults: Faults, http: Any) -> None:
    """A slow reader who leaves; another path is spared."""
    faults.client.slow_reader(delay="5ms", path="/feed")
    faults.client.disconnect(after_bytes=20, path="/feed").first(1)
    log: list[str] = []
    async with faulty(ticking_app(log)) as client:
        with pytest.raises(http.ReadError):
            async with client.websocket("/feed") as ws:
                while True:
                    await ws.receive()
        async with client.websocket("/feed") as ws:
            for _ in range(3):
                await ws.receive()
    async with faulty(echo) as client:
        async with client.websocket("/other") as ws:
            await ws.send("x")
            assert await ws.receive() == "x"
