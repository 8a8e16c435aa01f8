"""Where the apps of the rows are played: under our client, and under uvicorn on loopback.

A stage is the ASGI app that either of them serves; the row's own app is put on
it. What a row finds out is text: what the visit says, then what the app noted.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
import httpx
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._client.websocket_errors import WebSocketClosed, WebSocketRejected

App = Callable[[Any, Any, Any], Awaitable[None]]
Note = Callable[[object], None]
IN_LIFESPAN: ContextVar[str] = ContextVar("IN_LIFESPAN", default="unset")
_LONGEST_APP = 3.0  # seconds that we wait for an app to end after its visit


class Stage:
    """Serves whatever app is on it, and keeps count of the calls that still run."""

    def __init__(self) -> None:
        self.app: App | None = None
        self.running = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["pool"] = "open"
            IN_LIFESPAN.set("set by the lifespan")
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert self.app is not None
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running -= 1

    async def cleared(self) -> None:
        deadline = time.monotonic() + _LONGEST_APP
        while self.running and time.monotonic() < deadline:
            await anyio.sleep(0.005)


class Socket(Protocol):
    """What the rows do with a WebSocket of either side."""

    subprotocol: str | None
    headers: Any

    async def send(self, data: str | bytes) -> None: ...
    async def receive(self) -> str | bytes: ...
    async def close(self, code: int, reason: str) -> None: ...
    async def lose(self) -> None: ...


@dataclass
class Visitor:
    """A client of the stage: HTTP by `client`, WebSocket by `socket(path)`."""

    client: httpx.AsyncClient
    socket: Callable[..., contextlib.AbstractAsyncContextManager[Socket]]
    notes: list[str] = field(default_factory=list)

    def note(self, what: object) -> None:
        self.notes.append(str(what))


@dataclass(frozen=True)
class Row:
    """One thing to find out: `app(note)` makes the app, `visit(visitor)` is what is done to it."""

    id: str
    what: str
    app: Callable[[Note], App]
    visit: Callable[[Visitor], Awaitable[str | None]]
    ours: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)

    async def played(self, visitor: Visitor, stage: Stage) -> str:
        stage.app = self.app(visitor.note)
        said = await self.visit(visitor)
        await stage.cleared()
        return ", ".join(([said] if said else []) + visitor.notes)


async def said(result: Awaitable[Any]) -> str:
    """What came of it, in words that are the same for both sides where it is the same."""
    try:
        value = await result
    except (WebSocketRejected, InvalidStatus) as error:
        body = error.response.content if isinstance(error, WebSocketRejected) else b""
        body = body or bytes(getattr(error.response, "body", b""))
        return f"rejected with {error.response.status_code}" + (f" {body!r}" if body else "")
    except WebSocketClosed as error:
        return _closed(error.code, error.reason)
    except ConnectionClosed as error:
        return _closed(error.rcvd.code, error.rcvd.reason) if error.rcvd else _closed(1006, "")
    except Exception as error:
        return type(error).__name__
    if isinstance(value, httpx.Response):
        return f"{value.status_code}" + (f" {value.content[:30]!r}" if value.content else "")
    return "" if value is None else repr(value)


def _closed(code: int, reason: str) -> str:
    return f"closed with {code}" + (f" {reason!r}" if reason else "")


# Our side


class _OurSocket:
    def __init__(self, ws: Any) -> None:
        self._ws = ws
        self.subprotocol = ws.accepted_subprotocol
        self.headers = ws.headers
        self.send, self.receive, self.close = ws.send, ws.receive, ws.close

    async def lose(self) -> None:
        await self._ws.abort()


async def play_ours(row: Row) -> str:
    """Play one row under our client."""
    stage = Stage()
    async with open_app(stage, **row.ours) as client:

        @contextlib.asynccontextmanager
        async def socket(path: str, **options: Any) -> AsyncIterator[Socket]:
            async with client.websocket(path, **options) as ws:
                yield _OurSocket(ws)

        return await row.played(Visitor(client, socket), stage)


# uvicorn's side


class _RealSocket:
    def __init__(self, ws: Any) -> None:
        self._ws = ws
        self.subprotocol = ws.subprotocol
        self.headers = ws.response.headers
        self.send, self.receive, self.close = ws.send, ws.recv, ws.close

    async def lose(self) -> None:
        self._ws.transport.abort()


@contextlib.contextmanager
def uvicorn_running(stage: Stage, **options: Any) -> Iterator[str]:
    """Serve the stage from a thread, on a free port of 127.0.0.1; gives `host:port`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            stage,
            lifespan="on",
            loop="asyncio",
            http="h11",
            ws="websockets-sansio",
            log_config=None,
            log_level="critical",
            timeout_graceful_shutdown=1,
            **options,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


async def play_uvicorn(row: Row, stage: Stage, address: str) -> str:
    """Play one row under uvicorn, with httpx and websockets as its clients."""

    @contextlib.asynccontextmanager
    async def socket(path: str, **options: Any) -> AsyncIterator[Socket]:
        url = f"ws://{address}{path}"
        async with connect(url, compression=None, proxy=None, max_size=None, **options) as ws:
            yield _RealSocket(ws)

    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        return await row.played(Visitor(client, socket), stage)
