"""What a strict WebSocket server says to an app that breaks the protocol, and its bounds."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from libraries import NAMES, Library
from sockets import ACCEPT, Recording, echo, sending

from pytest_asyncfastapi._client.errors import AppStillRunning, ProtocolViolation
from pytest_asyncfastapi._client.websocket_errors import WebSocketClosed, WebSocketRejected

SEND = {"type": "websocket.send", "text": "x"}
CLOSE = {"type": "websocket.close"}
DENY = {"type": "websocket.http.response.start", "status": 401, "headers": []}


@pytest.fixture(params=NAMES)
def library(request: pytest.FixtureRequest) -> Library:
    return Library(request.param)


def swallowing(*messages: dict[str, Any]) -> Any:
    """Sends these messages, and swallows what it is told about them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            try:
                await send(message)
            except Exception:
                pass

    return app


BREACHES = [
    ((), "returned without accepting or closing the WebSocket"),
    ((SEND,), "sent 'websocket.send' before websocket.accept"),
    (({"type": "http.response.start"},), "sent 'http.response.start' before websocket.accept"),
    ((ACCEPT, ACCEPT), "sent websocket.accept twice"),
    ((ACCEPT, {"type": "websocket.send"}), "a websocket.send with neither text nor bytes"),
    (
        (ACCEPT, {"type": "websocket.send", "text": "a", "bytes": b"b"}),
        "a websocket.send with both text and bytes",
    ),
    ((ACCEPT, {"type": "websocket.send", "text": b"a"}), "sent text of type bytes"),
    ((ACCEPT, {"type": "websocket.send", "bytes": "a"}), "sent bytes of type str"),
    ((ACCEPT, {"type": "websocket.ping"}), "a message of type 'websocket.ping'"),
    ((ACCEPT, {**CLOSE, "code": 1006}), "with code 1006, which cannot be sent"),
    ((ACCEPT, {**CLOSE, "reason": "x" * 124}), "with the reason 'x"),
    ((ACCEPT, CLOSE, SEND), "sent websocket.send after websocket.close"),
    ((ACCEPT, CLOSE, CLOSE), "sent websocket.close after websocket.close"),
    (({**ACCEPT, "subprotocol": "v9"},), "accepted the subprotocol 'v9', but the client offered"),
    (({**ACCEPT, "headers": [("a", "b")]},), r"sent the header \('a', 'b'\)"),
    ((DENY, ACCEPT), "sent 'websocket.accept' after websocket.http.response.start"),
]


@pytest.mark.parametrize("app", [sending, swallowing])
@pytest.mark.parametrize(("messages", "words"), BREACHES)
async def test_a_breach_of_the_protocol_is_worded(
    library: Library, messages: Any, words: str, app: Any
) -> None:
    """Whether the app lets the error through or swallows it."""
    async with library.opened(app(*messages)) as client:
        with pytest.raises(ProtocolViolation, match=rf"^WS /ws: the app .*{words}.*Fix: "):
            async with client.websocket("/ws") as ws:
                async for _ in ws:
                    pass


async def test_an_app_that_sends_too_much_ahead_is_held_back(library: Library) -> None:
    """Until the client reads: 64 KiB, and one message more."""
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(ACCEPT)
        for _ in range(100):
            await send({"type": "websocket.send", "bytes": b"x" * 10_000})
            sent += 1

    async with library.opened(app) as client, client.websocket("/ws") as ws:
        await anyio.sleep(0.02)
        assert sent == 7
        assert len([item async for item in ws]) == 100


async def test_a_client_that_sends_too_much_ahead_is_held_back(library: Library) -> None:
    """And gets its library's WriteTimeout if the app never receives."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await anyio.sleep_forever()

    async with library.opened(app) as client:
        async with client.websocket("/ws", timeout=0.05) as ws:
            await ws.send(b"x" * 100_000)
            with pytest.raises(
                library.errors.WriteTimeout, match="the app received nothing for 50 ms"
            ):
                await ws.send(b"x")


async def test_messages_of_the_other_kind_are_named(library: Library) -> None:
    """With the method that takes them."""
    async with library.opened(echo) as client, client.websocket("/ws") as ws:
        await ws.send(b"\x00")
        with pytest.raises(TypeError, match=r"expected text, .* sent bytes: .*receive_bytes\(\)"):
            await ws.receive_text()
        await ws.send("a" * 99)
        with pytest.raises(TypeError, match=r"expected bytes, .*'aaa.*'\.\.\..*receive_text\(\)"):
            await ws.receive_bytes()
        with pytest.raises(TypeError, match=r"str or bytes, not dict. Fix: send_json\(data\)"):
            await ws.send({"a": 1})


async def test_an_app_that_will_not_stop_is_reported(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It swallows its cancellation: named, after the patience has run out."""
    release = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        while not release.is_set():
            try:
                await release.wait()
            except BaseException:
                if release.is_set():
                    raise
                with anyio.CancelScope(shield=True):
                    await release.wait()

    monkeypatch.setattr("pytest_asyncfastapi._client.app_run._PATIENCE", 1)
    async with library.opened(app) as client:
        with pytest.raises(AppStillRunning, match="WS /stubborn: the app still runs"):
            async with client.websocket("/stubborn"):
                pass
        release.set()
        await anyio.sleep(0.01)


async def test_closing_the_client_reaps_a_socket_left_open(library: Library) -> None:
    """Connected and never left: the app is told that the connection is lost."""
    app = Recording()
    async with library.opened(app) as client:
        await client.websocket("/ws").__aenter__()
    assert app.seen == [{"type": "websocket.disconnect", "code": 1005, "reason": ""}]


async def test_a_cancelled_handshake_leaves_nothing(library: Library) -> None:
    """The caller's own timeout around a connect that hangs."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["type"])
        seen.append((await receive())["type"])

    async with library.opened(app) as client:
        with anyio.move_on_after(0.02):
            async with client.websocket("/ws"):
                pytest.fail("entered")
        assert seen == ["websocket.connect", "websocket.disconnect"]


async def test_a_denied_handshake_goes_through_the_librarys_auth(library: Library) -> None:
    """A challenge in a 401 is answered, as for any request."""
    challenge = b'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if b"authorization" in dict(scope["headers"]):
            return await echo(scope, receive, send)
        await send({**DENY, "headers": [(b"www-authenticate", challenge)]})
        await send({"type": "websocket.http.response.body"})

    async with library.opened(app) as client:
        with pytest.raises(WebSocketRejected):
            async with client.websocket("/ws"):
                pytest.fail("entered")
        digest = library.errors.DigestAuth("u", "p")
        async with client.websocket("/ws", auth=digest) as ws:
            await ws.send("in")
            assert await ws.receive() == "in"


async def test_a_lost_connection_is_played_by_abort(library: Library) -> None:
    """What was sent before it still arrives; the app is told 1005, as by uvicorn."""
    app = Recording()
    async with library.opened(app) as client, client.websocket("/ws") as ws:
        await ws.send("last words")
        await ws.abort()
        assert [message.get("code") for message in app.seen] == [None, 1005]
        with pytest.raises(WebSocketClosed, match=r"lost the connection \(code 1006\)"):
            await ws.send("x")
    assert repr(ws) == "<WebSocket /ws: closed (1006)>"


@pytest.mark.parametrize("code", [1005, 1006, 999, 5000, "1000"])
async def test_a_code_that_cannot_be_sent_is_refused(library: Library, code: Any) -> None:
    """With the ones that can, and what to do for a lost connection."""
    async with library.opened(echo) as client, client.websocket("/ws") as ws:
        with pytest.raises(ValueError, match=r"cannot be sent. Fix: use 1000.*\.abort\(\)"):
            await ws.close(code)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            {"type": "websocket.send", "text": "a\ud83d"},
            r"sent the text 'a\\ud83d', which cannot be encoded as UTF-8",
        ),
        (
            {"type": "websocket.close", "reason": "\ud83d"},
            r"closed the WebSocket with the reason '\\ud83d'",
        ),
    ],
    ids=["text", "reason"],
)
async def test_half_of_a_surrogate_pair_is_a_violation(
    opened: Any, message: dict[str, str], said: str
) -> None:
    """No frame can carry it; whole ones can."""
    async with opened(sending(ACCEPT, message)) as client, client.websocket("/ws") as ws:
        with pytest.raises(ProtocolViolation, match=said):
            await ws.receive()
    whole = {"type": "websocket.send", "text": "\U0001f600"}
    async with opened(sending(ACCEPT, whole)) as client, client.websocket("/ws") as ws:
        assert await ws.receive() == "\U0001f600"
        with pytest.raises(ValueError, match="half of a surrogate pair has no UTF-8"):
            await ws.send("\ud83d")


async def test_headers_of_an_accept_are_checked(opened: Any) -> None:
    """As those of a response."""
    accept = {**ACCEPT, "headers": [(b"x-room", b"7\n8")]}
    async with opened(sending(accept)) as client:
        with pytest.raises(ProtocolViolation, match="no server sends line breaks or NUL"):
            async with client.websocket("/ws"):
                pass
