"""The WebSocket rows of the conformance checklist, one test a row, named by its id.

Each runs on asyncio and trio, with every client library that is installed.
"""

from __future__ import annotations

import contextvars
import time
from typing import Any

import anyio
import pytest
from apps import answering
from fastapi import FastAPI, WebSocket
from libraries import NAMES, Library
from sockets import ACCEPT, Recording, echo, sending

from pytest_asyncfastapi._client.websocket_errors import WebSocketClosed, WebSocketRejected


@pytest.fixture(params=NAMES)
def library(request: pytest.FixtureRequest) -> Library:
    return Library(request.param)


class Boom(Exception):
    pass


async def test_W01_text_and_bytes_echo(library: Library) -> None:
    """Text comes as str, binary as bytes, JSON as what it says."""
    async with library.opened(echo) as client, client.websocket("/ws") as ws:
        await ws.send("hello")
        assert await ws.receive() == "hello"
        await ws.send(b"\x00\xff")
        assert await ws.receive() == b"\x00\xff"
        await ws.send_json({"n": [1, "é"]})
        assert await ws.receive_json() == {"n": [1, "é"]}


async def test_W02_scope_has_the_asgi_key(library: Library) -> None:
    """With the version that has `reason` and a raising `send`."""
    app = Recording()
    async with library.opened(app) as client, client.websocket("/ws"):
        pass
    assert app.scopes[0]["asgi"] == {"version": "3.0", "spec_version": "2.4"}


async def test_W03_scope_has_scheme_version_path_and_query(library: Library) -> None:
    """`wss` for an https base URL; no method; the path without its query."""
    app = Recording()
    async with library.opened(app, base_url="https://shop") as client:
        async with client.websocket("/a%2Fb?x=%20+1"):
            pass
    scope = app.scopes[0]
    assert (scope["type"], scope["scheme"], scope["http_version"]) == ("websocket", "wss", "1.1")
    assert (scope["path"], scope["raw_path"]) == ("/a/b", b"/a%2Fb")
    assert scope["query_string"] == b"x=%20+1"
    assert scope["server"] == ["shop", 443]
    assert "method" not in scope


async def test_W03_an_absolute_ws_url_is_understood(library: Library) -> None:
    """As people write it for a real server."""
    app = Recording()
    async with library.opened(app) as client, client.websocket("ws://testserver/live"):
        pass
    scope = app.scopes[0]
    assert (scope["scheme"], scope["server"]) == ("ws", ["testserver", 80])


async def test_W04_subprotocols_are_offered_and_the_accepted_one_is_exposed(
    library: Library,
) -> None:
    """In the scope, on the socket, and None where the app chose none."""
    app = Recording({**ACCEPT, "subprotocol": "v2"})
    async with library.opened(app) as client:
        async with client.websocket("/ws", subprotocols=["v1", "v2"]) as ws:
            assert ws.accepted_subprotocol == "v2"
            assert ws.headers["sec-websocket-protocol"] == "v2"
    assert app.scopes[0]["subprotocols"] == ["v1", "v2"]
    async with library.opened(echo) as client, client.websocket("/ws") as ws:
        assert ws.accepted_subprotocol is None


async def test_W05_headers_of_the_accept_are_exposed(library: Library) -> None:
    """And its cookies are kept, as those of any response."""
    headers = [(b"x-room", b"7"), (b"set-cookie", b"seat=12; Path=/")]
    async with library.opened(Recording({**ACCEPT, "headers": headers})) as client:
        async with client.websocket("/ws") as ws:
            assert ws.headers["x-room"] == "7"
        assert client.cookies["seat"] == "12"


async def test_W06_a_rejection_is_one_clear_error(library: Library) -> None:
    """A close before the accept, without a code: 403, as a server answers."""
    async with library.opened(sending({"type": "websocket.close"})) as client:
        with pytest.raises(WebSocketRejected) as caught:
            async with client.websocket("/ws"):
                pytest.fail("entered")
    assert str(caught.value) == "WS /ws: the app rejected the WebSocket with status 403"
    assert caught.value.response.status_code == 403


async def test_W07_a_denial_response_is_exposed(library: Library) -> None:
    """Status, headers and body of the app's own, an httpx response like any other."""
    app = sending(
        {
            "type": "websocket.http.response.start",
            "status": 401,
            "headers": [(b"content-type", b"application/json"), (b"x-why", b"token")],
        },
        {"type": "websocket.http.response.body", "body": b'{"detail": ', "more_body": True},
        {"type": "websocket.http.response.body", "body": b'"no token"}'},
    )
    async with library.opened(app) as client:
        with pytest.raises(WebSocketRejected, match="with status 401: .*no token") as caught:
            async with client.websocket("/ws"):
                pytest.fail("entered")
    response = caught.value.response
    assert isinstance(response, library.errors.Response)
    assert (response.status_code, response.headers["x-why"]) == (401, "token")
    assert response.json() == {"detail": "no token"}


async def test_W08_code_and_reason_of_the_apps_close_are_seen(library: Library) -> None:
    """After the messages before it; iteration just ends there."""
    app = sending(
        ACCEPT,
        {"type": "websocket.send", "text": "bye"},
        {"type": "websocket.close", "code": 4001, "reason": "kicked"},
    )
    async with library.opened(app) as client:
        async with client.websocket("/ws") as ws:
            assert await ws.receive_text() == "bye"
            with pytest.raises(WebSocketClosed, match=r"the app closed it \(code 4001, 'kicked'"):
                await ws.receive()
            with pytest.raises(WebSocketClosed):
                await ws.send("anyone?")
        assert (ws.close_code, ws.close_reason) == (4001, "kicked")
        async with client.websocket("/ws") as ws:
            assert [message async for message in ws] == ["bye"]


async def test_W09_a_close_without_code_and_reason_is_1000(library: Library) -> None:
    """Both keys are optional."""
    async with library.opened(sending(ACCEPT, {"type": "websocket.close"})) as client:
        async with client.websocket("/ws") as ws:
            with pytest.raises(WebSocketClosed) as caught:
                await ws.receive()
    assert (caught.value.code, caught.value.reason) == (1000, "")


async def test_W10_code_and_reason_of_the_clients_close_reach_the_app(library: Library) -> None:
    """And the app has seen them when `close()` returns."""
    app = Recording()
    async with library.opened(app) as client, client.websocket("/ws") as ws:
        await ws.send("x")
        await ws.close(4002, "enough")
        assert app.seen == [
            {"type": "websocket.receive", "text": "x"},
            {"type": "websocket.disconnect", "code": 4002, "reason": "enough"},
        ]
        await ws.close()
        assert (ws.close_code, ws.close_reason) == (4002, "enough")
        with pytest.raises(WebSocketClosed, match="the client closed it"):
            await ws.receive()


async def test_W11_leaving_the_context_delivers_a_disconnect(library: Library) -> None:
    """With 1000; the app has finished when the context is left."""
    app = Recording()
    async with library.opened(app) as client:
        async with client.websocket("/ws"):
            pass
        assert app.seen == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


async def test_W11_a_framework_that_raises_its_disconnect_is_no_failure(library: Library) -> None:
    """`while True: await ws.receive_text()` is what every tutorial says."""
    app = FastAPI()

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text(await socket.receive_text())

    async with library.opened(app) as client, client.websocket("/ws") as ws:
        await ws.send("a")
        assert await ws.receive_text() == "a"


@pytest.mark.parametrize("listens", [True, False])
async def test_W12_an_app_that_ignores_the_disconnect_is_cancelled(
    library: Library, listens: bool
) -> None:
    """Promptly, and it is over when the context is left."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        try:
            while listens:
                await receive()
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    began = time.monotonic()
    async with library.opened(app) as client:
        async with client.websocket("/ws"):
            pass
        assert ended == ["cancelled"]
    assert time.monotonic() - began < 30


async def test_W13_an_exception_after_the_accept_surfaces_as_itself(library: Library) -> None:
    """From `receive()`, after the messages before it, and only once."""
    app = sending(ACCEPT, {"type": "websocket.send", "text": "1"}, error=Boom("boom"))
    async with library.opened(app) as client:
        with pytest.raises(Boom):
            async with client.websocket("/ws") as ws:
                assert await ws.receive() == "1"
                await ws.receive()


async def test_W13_an_exception_nobody_waited_for_surfaces_on_leaving(library: Library) -> None:
    """A test that receives nothing more does not hide it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        raise Boom("in the clean-up")

    async with library.opened(app) as client:
        with pytest.raises(Boom):
            async with client.websocket("/ws"):
                pass


async def test_W14_an_exception_before_the_accept_surfaces_as_itself(library: Library) -> None:
    """And the client is usable afterwards."""
    async with library.opened(sending(error=Boom("boom"))) as client:
        for _ in range(2):
            with pytest.raises(Boom):
                async with client.websocket("/ws"):
                    pytest.fail("entered")


async def test_W14_without_raising_it_is_what_a_server_does(library: Library) -> None:
    """500 before the accept; after it the connection just ends."""
    app = sending(error=Boom("boom"))
    async with library.opened(app, raise_app_exceptions=False) as client:
        with pytest.raises(WebSocketRejected) as caught:
            async with client.websocket("/ws"):
                pytest.fail("entered")
    assert caught.value.response.status_code == 500
    app = sending(ACCEPT, error=Boom("boom"))
    async with library.opened(app, raise_app_exceptions=False) as client:
        async with client.websocket("/ws") as ws:
            assert [message async for message in ws] == []
        assert ws.close_code == 1006


async def test_W15_an_assertion_of_the_test_is_not_wrapped(library: Library) -> None:
    """Nor is it displaced by what the app raises because of it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        raise Boom("because the client left")

    for target in (echo, app):
        async with library.opened(target) as client:
            with pytest.raises(AssertionError, match="mine"):
                async with client.websocket("/ws"):
                    raise AssertionError("mine")


async def test_W16_a_silent_app_is_a_read_timeout(library: Library) -> None:
    """Of the library of the client, by `receive(timeout=)` or by the handshake's."""
    async with library.opened(echo) as client:
        async with client.websocket("/ws") as ws:
            with pytest.raises(
                library.errors.ReadTimeout, match="WS /ws: the app sent nothing for 50 ms"
            ):
                await ws.receive(timeout=0.05)
            await ws.send("still open")
            assert await ws.receive(timeout="1s") == "still open"
        async with client.websocket("/ws", timeout=0.05) as ws:
            with pytest.raises(library.errors.ReadTimeout):
                await ws.receive()


async def test_W16_an_app_that_never_accepts_is_a_read_timeout(library: Library) -> None:
    """And it does not go on afterwards."""
    ended: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        ended.append(await receive())

    async with library.opened(app) as client:
        with pytest.raises(library.errors.ReadTimeout):
            async with client.websocket("/ws", timeout=0.05):
                pytest.fail("entered")
        assert ended == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


async def test_W17_send_raises_an_oserror_once_the_client_has_left(library: Library) -> None:
    """So that an app which only sends notices."""
    caught: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await anyio.lowlevel.checkpoint()
        except Exception as error:
            caught.append(error)
            raise

    async with library.opened(app) as client, client.websocket("/ws") as ws:
        assert await ws.receive() == "tick"
    assert isinstance(caught[0], OSError)


async def test_W18_http_requests_go_on_beside_an_open_websocket(library: Library) -> None:
    """In the same loop: an event of the test's wakes the app."""
    woken = anyio.Event()
    http = answering(200, None, b"over http")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            return await http(scope, receive, send)
        await send(ACCEPT)
        await woken.wait()
        await send({"type": "websocket.send", "text": "woken"})

    async with library.opened(app) as client, client.websocket("/ws") as ws:
        assert (await client.get("/")).content == b"over http"
        woken.set()
        assert await ws.receive() == "woken"


async def test_W19_two_websockets_are_open_at_once(library: Library) -> None:
    """Each with its own messages."""
    async with library.opened(echo) as client:
        async with client.websocket("/a") as one, client.websocket("/b") as two:
            await one.send("1")
            await two.send("2")
            assert (await two.receive(), await one.receive()) == ("2", "1")


async def test_W20_an_app_that_returns_without_a_close_is_seen_as_1006(library: Library) -> None:
    """As with uvicorn, where the connection ends without a close frame."""
    async with library.opened(sending(ACCEPT)) as client:
        async with client.websocket("/ws") as ws:
            with pytest.raises(WebSocketClosed, match="the app ended without closing it"):
                await ws.receive(timeout=5)
            with pytest.raises(WebSocketClosed):
                await ws.send("x")
        assert ws.close_code == 1006


async def test_W21_empty_and_large_messages(library: Library) -> None:
    """There are no frames, and no limit of theirs."""
    async with library.opened(echo) as client, client.websocket("/ws") as ws:
        for message in ("", b"", b"x" * 2**20, "y" * 2**20):
            await ws.send(message)
            assert await ws.receive() == message


async def test_W22_scope_has_a_copy_of_the_lifespans_state(library: Library) -> None:
    """What one socket puts there, the next does not see."""
    from contextlib import asynccontextmanager

    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    @asynccontextmanager
    async def lifespan(app: Any) -> Any:
        yield {"pool": "open"}

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(dict(socket.scope["state"]))
        socket.scope["state"]["leak"] = True
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/ws", talk)], lifespan=lifespan)
    async with library.opened(app, lifespan=True) as client:
        for _ in range(2):
            async with client.websocket("/ws") as ws:
                assert await ws.receive_json() == {"pool": "open"}


async def test_W23_cookies_headers_and_auth_of_the_client_are_sent(library: Library) -> None:
    """On the handshake, as on any request."""
    recording = Recording()
    login = answering(204, [(b"set-cookie", b"session=s3; Path=/")])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (login if scope["type"] == "http" else recording)(scope, receive, send)

    async with library.opened(app, headers={"x-team": "a"}, auth=("u", "p")) as client:
        await client.post("/login")
        async with client.websocket("/ws", headers={"x-try": "1"}, params={"q": "2"}):
            pass
    headers = dict(recording.scopes[0]["headers"])
    assert headers[b"cookie"] == b"session=s3"
    assert headers[b"x-team"] == b"a"
    assert headers[b"x-try"] == b"1"
    assert headers[b"authorization"] == b"Basic dTpw"
    assert (headers[b"upgrade"], headers[b"connection"]) == (b"websocket", b"Upgrade")
    assert headers[b"sec-websocket-version"] == b"13"
    assert recording.scopes[0]["query_string"] == b"q=2"


async def test_W24_a_slow_accept_is_tolerated(library: Library) -> None:
    """1.5 s is not slow enough to give up."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(1.5)
        await echo(scope, receive, send)

    async with library.opened(app) as client, client.websocket("/ws") as ws:
        await ws.send("x")
        assert await ws.receive() == "x"


async def test_N01_websockets_connected_at_once_have_their_own_scopes(library: Library) -> None:
    """/a, /b and /c together are seen as /a, /b and /c."""
    everyone = anyio.Event()
    scopes: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        if len(scopes) == 3:
            everyone.set()
        await everyone.wait()
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": scope["path"]})

    got: dict[str, Any] = {}
    async with library.opened(app) as client:

        async def connect(path: str) -> None:
            async with client.websocket(path) as ws:
                got[path] = await ws.receive()

        async with anyio.create_task_group() as group:
            for path in ("/a", "/b", "/c"):
                group.start_soon(connect, path)
    assert got == {"/a": "/a", "/b": "/b", "/c": "/c"}
    assert len({id(scope) for scope in scopes}) == 3


VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="unset")


async def test_the_context_is_a_copy(library: Library) -> None:
    """The test's variables are seen by the app; the app's do not come back."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": VAR.get()})
        VAR.set("the app's")

    VAR.set("the test's")
    async with library.opened(app) as client, client.websocket("/ws") as ws:
        assert await ws.receive() == "the test's"
        assert [item async for item in ws] == []
    assert VAR.get() == "the test's"
