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

from pytest_asyncfastapi.client.errors import ProtocolViolation

PROMISED = {**START, "trailers": True}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"7")]}


async def test_X01_trailers(opened: Any) -> None:
    """In `response.extensions["trailers"]`, streamed or not."""
    more = {**TRAILERS, "headers": [(b"x-first", b"1")], "more_trailers": True}
    async with opened(sending(PROMISED, BODY, more, TRAILERS)) as client:
        response = await client.get("/")
        assert response.extensions["trailers"] == [(b"x-first", b"1"), (b"x-sum", b"7")]
        async with client.stream("GET", "/") as response:
            assert await response.aread() == b"x"
            assert response.extensions["trailers"] == [(b"x-first", b"1"), (b"x-sum", b"7")]


async def test_X01_trailers_are_promised_and_kept(opened: Any) -> None:
    """Not sent although promised, and sent although not."""
    async with opened(sending(PROMISED, BODY)) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.get("/x")
    assert str(caught.value) == (
        "GET /x: the app promised trailers and sent none; the ASGI specification forbids it. "
        "Fix: send http.response.trailers after the body."
    )
    async with opened(sending(START, {**BODY, "more_body": True}, TRAILERS)) as client:
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
    """In `response.extensions["debug"]`: what Starlette's templates tell of themselves."""
    info = {"type": "http.response.debug", "info": {"template": "index.html"}}
    async with opened(sending(info, START, BODY)) as client:
        assert (await client.get("/")).extensions["debug"] == {"template": "index.html"}
        async with client.stream("GET", "/") as response:
            assert response.extensions["debug"] == {"template": "index.html"}


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
