"""The HTTP rows of the checklist where a server has a say: scope, body, response, failures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx

from .stage import IN_LIFESPAN, App, Note, Row, Visitor, said

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}
MORE = {**BODY, "more_body": True}
LENGTHS = ((b"content-length", b"1"), (b"content-length", b"2"))
NOT_RAISING = {"raise_app_exceptions": False}


class Boom(Exception):
    """What the apps of the rows fail with."""


def noting(look: Callable[[Any], object]) -> Callable[[Note], App]:
    """An app that notes something of its scope, and answers."""

    def make(note: Note) -> App:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            note(look(scope))
            await send(START)
            await send(BODY)

        return app

    return make


def sending(*messages: dict[str, Any], error: Exception | None = None) -> Callable[[Note], App]:
    """An app that sends exactly these messages, then fails or returns."""

    def make(note: Note) -> App:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in messages:
                await send(message)
            if error is not None:
                raise error

        return app

    return make


def app(play: Callable[[Note, Any, Any, Any], Awaitable[None]]) -> Callable[[Note], App]:
    """An app written as `async def name(note, scope, receive, send)`."""
    return lambda note: lambda scope, receive, send: play(note, scope, receive, send)


Visit = Callable[[Visitor], Awaitable[str | None]]


def asking(path: str = "/", method: str = "GET", **options: Any) -> Visit:
    """One request; what matters is what the app notes."""

    async def visit(visitor: Visitor) -> None:
        await visitor.client.request(method, path, **options)

    return visit


def answer(path: str = "/", method: str = "GET", **options: Any) -> Visit:
    """One request; what matters is what comes of it."""

    async def visit(visitor: Visitor) -> str:
        return await said(visitor.client.request(method, path, **options))

    return visit


def header(look: Callable[[httpx.Response], object]) -> Visit:
    """One request; what matters is something of the response."""

    async def visit(visitor: Visitor) -> str:
        return str(look(await visitor.client.get("/")))

    return visit


async def leaving_early(visitor: Visitor) -> None:
    """Read one chunk of the stream, then leave."""
    async with visitor.client.stream("GET", "/") as response:
        async for _ in response.aiter_raw():
            break


def header_of(name: bytes) -> Callable[[Any], object]:
    return lambda scope: [value for key, value in scope["headers"] if key == name]


@app
async def body_messages(note: Note, scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    note((message["type"], message["body"], message["more_body"]))
    await send(START)
    await send(BODY)


@app
async def after_complete(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(START)
    await send(BODY)
    note((await receive())["type"])


@app
async def told(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(START)
    await send(MORE)
    note((await receive())["type"])


@app
async def never_answering(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    note((await receive())["type"])


@app
async def sending_after_leaving(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(START)
    await send(MORE)
    await receive()
    try:
        await send(MORE)
    except OSError:
        note("send raises an OSError")
    else:
        note("send says nothing")


@app
async def going_on(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(MORE)
    try:
        await anyio.sleep(1)
    except BaseException:
        note("the app is cancelled")
        raise
    note("the app runs on")


@app
async def starting(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await anyio.sleep(0.2)
    note("the app goes on")
    await send(BODY)


async def at_start(visitor: Visitor) -> str:
    async with visitor.client.stream("GET", "/") as response:
        when = "the app has ended" if visitor.notes else "at its start"
        await response.aread()
    return when


@app
async def flooding(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    for _ in range(400):
        await send({**MORE, "body": b"x" * 65536})
    note("sent everything")
    await send(BODY)


async def not_reading(visitor: Visitor) -> str:
    async with visitor.client.stream("GET", "/") as response:
        await anyio.sleep(0.3)
        held = "sends everything" if visitor.notes else "is held back"
        async for _ in response.aiter_raw():
            pass
    return f"the app {held}"


@app
async def background(note: Note, scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)
    await anyio.sleep(0.2)
    note("done")


async def when_answered(visitor: Visitor) -> str:
    await visitor.client.get("/")
    return "after the background" if visitor.notes else "before the background"


@app
async def state(note: Note, scope: Any, receive: Any, send: Any) -> None:
    note(sorted(scope["state"]))
    scope["state"]["leak"] = 1
    await send(START)
    await send(BODY)


async def twice(visitor: Visitor) -> None:
    await visitor.client.get("/")
    await visitor.client.get("/")


async def left_unread(visitor: Visitor) -> None:
    """Open the stream of a response that is sent whole, and leave without reading."""
    async with visitor.client.stream("GET", "/"):
        await anyio.sleep(0.1)


def starting_with(*headers: tuple[Any, Any], status: int = 200, body: Any = b"x") -> Any:
    start = {"type": "http.response.start", "status": status, "headers": list(headers)}
    return sending(start, {"type": "http.response.body", "body": body})


def _types(pair: Any) -> list[str]:
    return [type(item).__name__ for item in pair]


def _without_own(response: httpx.Response) -> list[str]:
    return sorted(response.headers)


ROWS = [
    Row("S01", '`scope["asgi"]["version"]`', noting(lambda s: s["asgi"]["version"]), asking()),
    Row(
        "S02",
        '`scope["asgi"]["spec_version"]`',
        noting(lambda s: s["asgi"]["spec_version"]),
        asking(),
    ),
    Row("S03", "`http_version`", noting(lambda s: s["http_version"]), asking()),
    Row("S04", 'a method given as "get"', noting(lambda s: s["method"]), asking(method="get")),
    Row(
        "S06",
        "types of `server` and `client`",
        noting(lambda s: _types(s["server"]) + _types(s["client"])),
        asking(),
    ),
    Row("S07", "`path` of `/a%2520b`", noting(lambda s: s["path"]), asking("/a%2520b")),
    Row("S08", "`path` of `/caf%C3%A9`", noting(lambda s: s["path"]), asking("/caf%C3%A9")),
    Row("S09", "`raw_path` of `/a%2Fb?x=1`", noting(lambda s: s["raw_path"]), asking("/a%2Fb?x=1")),
    Row(
        "S10",
        "`query_string` of `?a=1&b=%20+c`",
        noting(lambda s: s["query_string"]),
        asking("/?a=1&b=%20+c"),
    ),
    Row(
        "S11",
        "a header given twice, as `X-A`",
        noting(header_of(b"x-a")),
        asking(headers=[("X-A", "1"), ("X-A", "2")]),
    ),
    Row(
        "S12",
        "a header value that is not ASCII",
        noting(header_of(b"x-a")),
        asking(headers={b"x-a": b"\xe9"}),
    ),
    Row(
        "S14",
        "`root_path`, `path`, `raw_path` behind `/api`",
        noting(lambda s: [s["root_path"], s["path"], s["raw_path"]]),
        asking("/x"),
        ours={"root_path": "/api"},
        server={"root_path": "/api"},
    ),
    Row(
        "S15",
        "extensions that are offered by HTTP",
        noting(lambda s: sorted(s.get("extensions") or {})),
        asking(),
    ),
    Row("S16", "how many host headers", noting(lambda s: len(header_of(b"host")(s))), asking()),
    Row("S18", "first message of a GET", body_messages, asking()),
    Row(
        "B01",
        "first message of a POST with 3 bytes",
        body_messages,
        asking(method="POST", content=b"abc"),
    ),
    Row(
        "B01",
        "`content-length` of that POST",
        noting(header_of(b"content-length")),
        asking(method="POST", content=b"abc"),
    ),
    Row(
        "B04",
        "an app that does not read the body",
        sending(START, BODY),
        answer(method="POST", content=b"abc"),
    ),
    Row("R01", "a streamed response is there", starting, at_start),
    Row("R04", "what the app is told when the client leaves early", told, leaving_early),
    Row("R05", "`send()` after that", sending_after_leaving, leaving_early),
    Row("R07", "an app that ignores that", going_on, leaving_early),
    Row("R08", "a client that does not read", flooding, not_reading),
    Row("R14", "`receive()` after the complete response", after_complete, asking()),
    Row("R15", "HEAD, where the app sends a body", sending(START, BODY), answer(method="HEAD")),
    Row(
        "R16",
        "two `set-cookie` headers",
        starting_with((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),
        header(lambda r: r.headers.get_list("set-cookie")),
    ),
    Row(
        "R17",
        "messages without `headers` and `body`",
        sending({"type": "http.response.start", "status": 200}, {"type": "http.response.body"}),
        answer(),
    ),
    Row(
        "R18",
        "a response header value that is not ASCII",
        starting_with((b"x-a", b"\xe9")),
        header(lambda r: dict(r.headers.raw)[b"x-a"]),
    ),
    Row("R15", "204 with a body", starting_with(status=204), answer()),
    Row("R15", "304 with a body", starting_with(status=304), answer()),
    Row("R20", "a memoryview as body", starting_with(body=memoryview(b"abc")), answer()),
    Row(
        "-", "headers that are added to the app's none", sending(START, BODY), header(_without_own)
    ),
    Row("V01", "no response at all", sending(), answer()),
    Row("V02", "a start, and no body", sending(START), answer()),
    Row("V03", "a body that is never ended", sending(START, MORE), answer()),
    Row("V04", "two starts", sending(START, START, BODY), answer()),
    Row("V05", "a body before the start", sending(BODY), answer()),
    Row("V06", "a body after the last one", sending(START, BODY, BODY), answer()),
    Row(
        "V07",
        "an unknown type after the start",
        sending(START, {"type": "http.unknown"}, BODY),
        answer(),
    ),
    Row("V08", "a header of str", starting_with(("a", "b")), answer()),
    Row("V09", "a body of str", starting_with(body="x"), answer()),
    Row(
        "V10", "Content-Length 10, and 1 byte", starting_with((b"content-length", b"10")), answer()
    ),
    Row("V10", "Content-Length 0, and 1 byte", starting_with((b"content-length", b"0")), answer()),
    Row("V10", "two lengths", starting_with(*LENGTHS), answer()),
    Row("-", "a line break in a header value", starting_with((b"x-a", b"a\r\nb: c")), answer()),
    Row("-", "NUL in a header value", starting_with((b"x-a", b"a\0")), answer()),
    Row("-", "a space in a header name", starting_with((b"x a", b"1")), answer()),
    Row("-", "a status of 600", starting_with(status=600), answer()),
    Row("-", "a status of 102", starting_with(status=102), answer()),
    Row(
        "V11",
        "a header name in upper case",
        starting_with((b"X-UP", b"1")),
        header(lambda r: [n for n, _ in r.headers.raw if n.lower() == b"x-up"]),
    ),
    Row("E01", "an exception before the start", sending(error=Boom()), answer()),
    Row("E03", "an exception in mid-body", sending(START, MORE, error=Boom()), answer()),
    Row("E05", "an exception after the response", sending(START, BODY, error=Boom()), answer()),
    Row(
        "E06",
        "E01 with `raise_app_exceptions=False`",
        sending(error=Boom()),
        answer(),
        ours=NOT_RAISING,
    ),
    Row(
        "E07",
        "E03 with `raise_app_exceptions=False`",
        sending(START, MORE, error=Boom()),
        answer(),
        ours=NOT_RAISING,
    ),
    Row(
        "E05",
        "E05 with `raise_app_exceptions=False`",
        sending(START, BODY, error=Boom()),
        answer(),
        ours=NOT_RAISING,
    ),
    Row("T01", "an app that never answers, `timeout=0.1`", never_answering, answer(timeout=0.1)),
    Row("C01", "the response comes", background, when_answered),
    Row(
        "C01",
        "the response comes, `background=False`",
        background,
        when_answered,
        ours={"background": False},
    ),
    Row(
        "C01",
        "a background task whose stream is left unread",
        background,
        left_unread,
    ),
    Row(
        "C01",
        "the same, `background=False`",
        background,
        left_unread,
        ours={"background": False},
    ),
    Row(
        "L16",
        "a context variable that the lifespan has set",
        noting(lambda _: IN_LIFESPAN.get()),
        asking(),
    ),
    Row("L04", "`state` of two requests, the first adds to it", state, twice),
]
