"""The WebSocket rows of the checklist where a server has a say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from .rows_http import NOT_RAISING, Boom, app
from .stage import App, Note, Row, Socket, Visitor, said

ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}
DENY = {"type": "websocket.http.response.start", "status": 401, "headers": []}
DENIED = {"type": "websocket.http.response.body", "body": b"no token"}
TEXT = {"type": "websocket.send", "text": "x"}

Talk = Callable[[Socket], Awaitable[object]]


def sending(*messages: dict[str, Any], error: Exception | None = None) -> Callable[[Note], App]:
    """An app that takes the connect, sends exactly these messages, and fails or returns."""

    def make(note: Note) -> App:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            for message in messages:
                await send(message)
            if error is not None:
                raise error

        return app

    return make


def noting(look: Callable[[Any], object]) -> Callable[[Note], App]:
    """An app that notes something of its scope, and accepts."""

    def make(note: Note) -> App:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            note(look(scope))
            await receive()
            await send(ACCEPT)
            await receive()

        return app

    return make


def connecting(talk: Talk | None = None, path: str = "/", **options: Any) -> Any:
    """Connect, talk, and leave."""

    async def visit(visitor: Visitor) -> str:
        async def whole() -> Any:
            async with visitor.socket(path, **options) as ws:
                return await talk(ws) if talk is not None else None

        return await said(whole())

    return visit


async def receiving(ws: Socket) -> object:
    """All that comes, until it raises."""
    got: list[str | bytes] = []
    while True:
        try:
            got.append(await ws.receive())
        except Exception as error:
            if not got:
                raise

            async def again(error: Exception = error) -> None:
                raise error

            return Said(f"{got!r}, {await said(again())}")


class Said(str):
    """Text that is shown as it is."""

    __slots__ = ()
    __repr__ = str.__str__


@app
async def echo(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({**message, "type": "websocket.send"})


@app
async def disconnect_seen(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] != "websocket.disconnect":
        pass
    note(f"the app sees {message['code']} {message.get('reason', '')!r}")


@app
async def closing_itself(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    await send({**CLOSE, "code": 4001})
    message = await receive()
    note(f"the app sees {message['type']} {message['code']}")


@app
async def rejecting(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(CLOSE)
    message = await receive()
    note(f"the app sees {message['type']} {message['code']}")


@app
async def ignoring(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    try:
        await anyio.sleep(1)
    except BaseException:
        note("the app is cancelled")
        raise
    note("the app runs on")


@app
async def sending_after_leaving(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    await receive()
    try:
        for _ in range(3):  # over a socket the first may still get away
            await send(TEXT)
            await anyio.sleep(0.005)
    except OSError:
        note("send raises an OSError")
    else:
        note("send says nothing")


@app
async def slow(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await anyio.sleep(1.5)
    await receive()
    await send(ACCEPT)
    await send(TEXT)


def echoed(*messages: str | bytes) -> Talk:
    async def talk(ws: Socket) -> object:
        got = []
        for message in messages:
            await ws.send(message)
            got.append(await ws.receive())
        return all(one == other for one, other in zip(got, messages, strict=True))

    return talk


async def closing(ws: Socket) -> None:
    await ws.close(4002, "enough")


async def losing(ws: Socket) -> None:
    await ws.lose()


async def subprotocol(ws: Socket) -> object:
    return ws.subprotocol


async def header(ws: Socket) -> object:
    return ws.headers["x-room"]


async def names(ws: Socket) -> object:
    return Said(sorted(name.lower() for name in dict(ws.headers)))


def _path(scope: Any) -> list[object]:
    return [scope["path"], scope["raw_path"], scope["query_string"]]


HEADERS = [(b"x-room", b"7")]
V2 = {**ACCEPT, "subprotocol": "v2"}

ROWS = [
    Row("W01", "text and bytes are echoed", echo, connecting(echoed("a", b"b"))),
    Row("W02", '`scope["asgi"]`', noting(lambda s: s["asgi"]), connecting()),
    Row(
        "W03",
        "`scheme` and `http_version`",
        noting(lambda s: [s["scheme"], s["http_version"]]),
        connecting(),
    ),
    Row(
        "W03",
        "`path`, `raw_path`, `query_string` of `/a%2Fb?x=%20`",
        noting(_path),
        connecting(path="/a%2Fb?x=%20"),
    ),
    Row(
        "W03",
        "extensions that are offered by WebSocket",
        noting(lambda s: sorted(s["extensions"])),
        connecting(),
    ),
    Row(
        "W04",
        "`subprotocols` in the scope",
        noting(lambda s: s["subprotocols"]),
        connecting(subprotocols=["v1", "v2"]),
    ),
    Row(
        "W04",
        "the accepted one",
        sending(V2, CLOSE),
        connecting(subprotocol, subprotocols=["v1", "v2"]),
    ),
    Row(
        "W05",
        "a header of `websocket.accept`",
        sending({**ACCEPT, "headers": HEADERS}, CLOSE),
        connecting(header),
    ),
    Row(
        "-",
        "a line break in a header of `websocket.accept`",
        sending({**ACCEPT, "headers": [(b"x-room", b"7\n8")]}, CLOSE),
        connecting(),
    ),
    Row(
        "-",
        "half of a surrogate pair as text",
        sending(ACCEPT, {**TEXT, "text": "\ud83d"}, CLOSE),
        connecting(receiving),
    ),
    Row(
        "-",
        "half of a surrogate pair in a reason",
        sending(ACCEPT, {**CLOSE, "reason": "\ud83d"}),
        connecting(receiving),
    ),
    Row("-", "headers of the handshake's response", sending(ACCEPT, CLOSE), connecting(names)),
    Row("W06", "a close before the accept", sending(CLOSE), connecting()),
    Row("W06", "what the app receives after it", rejecting, connecting()),
    Row("W07", "a denial response", sending(DENY, DENIED), connecting()),
    Row(
        "W08",
        "the app closes with 4001, `kicked`",
        sending(ACCEPT, TEXT, {**CLOSE, "code": 4001, "reason": "kicked"}),
        connecting(receiving),
    ),
    Row("W08", "what the app receives after its close", closing_itself, connecting(receiving)),
    Row("W09", "a close without code and reason", sending(ACCEPT, CLOSE), connecting(receiving)),
    Row("W10", "the client closes with 4002, `enough`", disconnect_seen, connecting(closing)),
    Row("W11", "the client leaves its block", disconnect_seen, connecting()),
    Row("W11", "the connection is lost", disconnect_seen, connecting(losing)),
    Row("W12", "an app that ignores the disconnect", ignoring, connecting()),
    Row(
        "W13", "an exception after the accept", sending(ACCEPT, error=Boom()), connecting(receiving)
    ),
    Row(
        "W13",
        "W13 with `raise_app_exceptions=False`",
        sending(ACCEPT, error=Boom()),
        connecting(receiving),
        ours=NOT_RAISING,
    ),
    Row("W14", "an exception before the accept", sending(error=Boom()), connecting()),
    Row(
        "W14",
        "W14 with `raise_app_exceptions=False`",
        sending(error=Boom()),
        connecting(),
        ours=NOT_RAISING,
    ),
    Row("W17", "`send()` after the client has left", sending_after_leaving, connecting()),
    Row("W20", "the app returns without a close", sending(ACCEPT, TEXT), connecting(receiving)),
    Row("W21", "an empty text, and 1 MiB", echo, connecting(echoed("", b"x" * 2**20))),
    Row("W22", "`state`", noting(lambda s: s["state"]), connecting()),
    Row("W24", "an accept after 1.5 s", slow, connecting(receiving)),
    Row("-", "the app returns without an accept", sending(), connecting()),
    Row("-", "a message before the accept", sending(TEXT), connecting()),
    Row("-", "two accepts", sending(ACCEPT, ACCEPT), connecting(receiving)),
    Row(
        "-",
        "a message of neither text nor bytes",
        sending(ACCEPT, {"type": "websocket.send"}, CLOSE),
        connecting(receiving),
    ),
    Row(
        "-",
        "a message of both text and bytes",
        sending(ACCEPT, {**TEXT, "bytes": b"y"}, CLOSE),
        connecting(receiving),
    ),
    Row("-", "an unknown type", sending(ACCEPT, {"type": "websocket.ping"}), connecting(receiving)),
    Row("-", "a message after the close", sending(ACCEPT, CLOSE, TEXT), connecting(receiving)),
    Row("-", "a second close", sending(ACCEPT, CLOSE, CLOSE), connecting(receiving)),
    Row(
        "-",
        "a close with code 1006",
        sending(ACCEPT, {**CLOSE, "code": 1006}),
        connecting(receiving),
    ),
    Row(
        "-",
        "a subprotocol that was not offered",
        sending(V2, CLOSE),
        connecting(subprotocol, subprotocols=["v1"]),
    ),
    Row("-", "an accept after a denial has begun", sending(DENY, ACCEPT), connecting()),
]
