"""Rows X: the extensions of ASGI; and N14, apps of ASGI 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from apps import BODY, START, sending
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from pytest_asyncfastapi._client.errors import ProtocolViolation

DEBUG = "http.response.debug"
TRAILERS = "http.response.trailers"
EARLY_HINT = "http.response.early_hint"
PUSH = "http.response.push"
PROMISED = {**START, "trailers": True}
SUM = {"type": TRAILERS, "headers": [(b"x-sum", b"7")]}


async def test_X01_trailers(opened: Any) -> None:
    """In `response.extensions[TRAILERS]`, streamed or not."""
    more = {**SUM, "headers": [(b"x-first", b"1")], "more_trailers": True}
    async with opened(sending(PROMISED, BODY, more, SUM)) as client:
        response = await client.get("/")
        assert response.extensions[TRAILERS] == [
            (b"x-first", b"1"),
            (b"x-sum", b"7"),
        ]
        async with client.stream("GET", "/") as response:
            assert await response.aread() == b"x"
            assert response.extensions[TRAILERS] == [
                (b"x-first", b"1"),
                (b"x-sum", b"7"),
            ]


async def test_X01_trailers_are_promised_and_kept(opened: Any) -> None:
    """Not sent although promised, and sent although not."""
    async with opened(sending(PROMISED, BODY)) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.get("/x")
    assert str(caught.value) == (
        "GET /x: the app promised trailers and sent none; the ASGI specification forbids it. "
        "Fix: send http.response.trailers after the body."
    )
    async with opened(sending(START, {**BODY, "more_body": True}, SUM)) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.get("/x")
    assert str(caught.value) == (
        "GET /x: the app sent http.response.trailers without having promised them; the ASGI "
        "specification forbids it. Fix: send http.response.start with trailers=True."
    )


async def test_X02_pathsend(opened: Any, tmp_path: Path) -> None:
    """On demand; Starlette's FileResponse uses it, the body is the file's."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"0123456789" * 20_000)

    async def file(request: Request) -> FileResponse:
        return FileResponse(path)

    app = Starlette(routes=[Route("/", file)])
    async with opened(app, extensions=("http.response.pathsend",)) as client:
        assert (await client.get("/")).content == path.read_bytes()
        async with client.stream("GET", "/") as response:
            assert await response.aread() == path.read_bytes()
    async with opened(app) as client:
        assert (await client.get("/")).content == path.read_bytes()


async def test_X03_debug(opened: Any) -> None:
    """In `response.extensions[DEBUG]`: what Starlette's templates tell of themselves."""
    info = {"type": "http.response.debug", "info": {"template": "index.html"}}
    async with opened(sending(info, START, BODY)) as client:
        assert (await client.get("/")).extensions[DEBUG] == {"template": "index.html"}
        async with client.stream("GET", "/") as response:
            assert response.extensions[DEBUG] == {"template": "index.html"}


HINT = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload; as=style"]}


async def test_X04_early_hints(opened: Any) -> None:
    """In `response.extensions[EARLY_HINT]`, streamed or not; offered in the scope."""
    second = {**HINT, "links": [b"</b.js>; rel=preload"]}
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append("http.response.early_hint" in scope["extensions"])
        await sending(HINT, second, START, BODY)(scope, receive, send)

    async with opened(app) as client:
        links = [*HINT["links"], *second["links"]]
        response = await client.get("/")
        assert (response.status_code, response.extensions[EARLY_HINT]) == (
            200,
            links,
        )
        async with client.stream("GET", "/") as response:
            assert response.extensions[EARLY_HINT] == links
    assert seen == [True, True]


async def test_X04_early_hints_come_first_and_are_bytes(opened: Any) -> None:
    """Else it is a breach, worded."""
    async with opened(sending(START, HINT, BODY)) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.get("/x")
    assert str(caught.value) == (
        "GET /x: the app sent http.response.early_hint after http.response.start; the ASGI "
        "specification forbids it. Fix: send hints first."
    )
    async with opened(sending({**HINT, "links": ["</a>"]}, START, BODY)) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.get("/x")
    assert str(caught.value) == (
        "GET /x: the app sent the early hint '</a>'; the ASGI specification forbids it. "
        "Fix: send each link as bytes."
    )


async def test_X05_zerocopysend(opened: Any, tmp_path: Path) -> None:
    """On demand: from an offset, a count, the rest; a file or its number."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"0123456789" * 20_000)
    with path.open("rb") as file:  # noqa: ASYNC230
        part = {"type": "http.response.zerocopysend", "file": file, "more_body": True}
        last = {"type": "http.response.zerocopysend", "file": file.fileno(), "offset": 199_995}
        app = sending(START, {**part, "offset": 3, "count": 4}, {**part, "count": 2}, last)
        async with opened(app, extensions=("http.response.zerocopysend",)) as client:
            assert (await client.get("/")).content == b"345678" + b"56789"


async def test_X05_push(opened: Any) -> None:
    """On demand, in `response.extensions[PUSH]`: the path and the headers of each."""
    push = {"type": "http.response.push", "path": "/a.css", "headers": [(b"accept", b"text/css")]}
    async with opened(sending(START, push, BODY), extensions=("http.response.push",)) as client:
        response = await client.get("/")
        assert response.extensions[PUSH] == [("/a.css", [(b"accept", b"text/css")])]


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend", "push"])
async def test_X05_what_is_not_offered_is_a_breach(opened: Any, kind: str) -> None:
    """Worded, with the way to offer it."""
    async with opened(sending(START, {"type": f"http.response.{kind}"})) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.get("/x")
    assert str(caught.value) == (
        f"GET /x: the app sent http.response.{kind}, which scope['extensions'] does not offer; "
        "the ASGI specification forbids it. Fix: look there first, or offer it: "
        "open_app(app, extensions=[...])."
    )


async def test_N14_apps_of_asgi_2(opened: Any) -> None:
    """A class and a function that take the scope only."""

    class App:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            await send(START)
            await send({**BODY, "body": self.scope["path"].encode()})

    def function(scope: Any) -> Any:
        return App(scope)

    for app in (App, function):
        async with opened(app) as client:
            assert (await client.get("/two")).text == "/two"
        async with opened(app, lifespan=True) as client:
            assert (await client.get("/two")).text == "/two"
