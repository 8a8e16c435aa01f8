"""The table of clients of docs/comparison.md: what can be measured with this suite's packages."""

from __future__ import annotations

import re
import warnings
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from typing import Any

import anyio
import pytest

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._core.current_loop import current_loop
from tests import pages

pytest.importorskip("starlette")

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient


class Shop:
    """An app that notes what happened in it, and in which loop."""

    def __init__(self) -> None:
        self.started = False
        self.loop: Any = None
        self.sent = 0
        routes = [
            Route("/pieces", self.pieces),
            Route("/late", self.late),
            WebSocketRoute("/hello", self.hello),
        ]
        self.app = Starlette(routes=routes, lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, app: Any) -> Any:
        self.started = True
        yield

    async def pieces(self, request: Any) -> StreamingResponse:
        self.loop = current_loop()

        async def body() -> Any:
            for self.sent in (1, 2):
                yield b"piece"
                await anyio.sleep(0.02)

        return StreamingResponse(body())

    async def late(self, request: Any) -> PlainTextResponse:
        await anyio.sleep(0.1)
        return PlainTextResponse("late")

    async def hello(self, socket: Any) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()


def cells(name: str) -> list[str]:
    """A row of the table, without links and remarks: up to the timeouts."""
    text = (pages.ROOT / "docs/comparison.md").read_text("utf-8")
    found = re.search(rf"^\| {re.escape(name)}[^|]*\|(.*)\|$", text, re.MULTILINE)
    assert found is not None
    return [re.split(r"[ :,;(]", cell.strip())[0] for cell in found[1].split("|")][:4]


def words(shop: Shop, loop: Any, pieces: int, *, timed_out: bool) -> list[str]:
    """What was seen, as the table says it."""
    home = "the" if shop.loop is loop else "a"
    return [home, *("yes" if fact else "no" for fact in (shop.started, pieces == 1, timed_out))]


@pytest.mark.parametrize("kind", ["asgi_client", "httpx", "httpx2"])
async def test_an_async_client(kind: str) -> None:
    """Ours, and the transports of both libraries."""
    shop = Shop()
    library: Any = import_module("httpx" if kind == "asgi_client" else kind)
    opened: Any = open_app(shop.app)
    if kind != "asgi_client":
        transport = library.ASGITransport(shop.app)
        opened = library.AsyncClient(transport=transport, base_url="http://testserver")
    timed_out = False
    async with opened as client:
        async with client.stream("GET", "/pieces") as response:
            async with aclosing(response.aiter_raw()) as chunks:
                await anext(chunks)
                pieces = shop.sent
                assert b"".join([chunk async for chunk in chunks]) in (b"", b"piece")
        try:
            await client.get("/late", timeout=0.01)
        except library.ReadTimeout:
            timed_out = True
    row = "`asgi_client`" if kind == "asgi_client" else "`httpx.ASGITransport`"
    seen = words(shop, current_loop(), pieces, timed_out=timed_out)
    assert seen == cells(row)


@pytest.mark.filterwarnings("ignore")
def test_the_client_of_starlette() -> None:
    """In a thread of its own, and with WebSockets."""
    shop = Shop()
    with TestClient(shop.app) as client:
        with client.stream("GET", "/pieces") as response:
            for _ in response.iter_raw():
                pieces = shop.sent
                break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert client.get("/late", timeout=0.01).text == "late"
        with client.websocket_connect("/hello") as socket:
            assert socket.receive_text() == "hello"
    assert words(shop, None, pieces, timed_out=False) == cells("Starlette's `TestClient`")
