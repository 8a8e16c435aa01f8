"""What a mocked upstream call costs, beside respx and pytest-httpx."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import httpx

from pytest_asyncfastapi._core.frames import UserCode
from pytest_asyncfastapi._faults import Faults
from pytest_asyncfastapi._upstream.scope import UpstreamScope

from .measure import Result, interleaved, table, versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

URL = "https://pay.example/charge"
MANY = 10_000


def new_scope(routes: int = 1) -> UpstreamScope:
    """A scope with so many routes, the last of them at `URL`."""
    scope = UpstreamScope(user_code=UserCode(os.getcwd()), faults=Faults(1, "benchmark"))
    router = scope.open_router()
    for number in range(routes - 1):
        router.get(f"https://pay.example/{number}").respond(200)
    router.get(URL).respond(json={"a": 1})
    return scope


class Peer:
    """A mock that is entered once a round, so that a figure is the call alone."""

    def __init__(self, enter: Callable[[], Any], leave: Callable[[], Any], client: Any) -> None:
        self._enter, self._leave, self._client = enter, leave, client
        self._count = 0

    async def __call__(self) -> None:
        """One call; every 100 of them share one set-up."""
        if self._count % 100 == 0:
            self._enter()
        self._count += 1
        await self._client.get(URL)
        if self._count % 100 == 0:
            self._leave()


def contenders(
    client: httpx.AsyncClient, routes: int = 1
) -> dict[str, Callable[[], Awaitable[object]]]:
    """The last of so many routes, answered by each of the mocks; and a faulted call of ours."""
    found: dict[str, Callable[[], Awaitable[object]]] = {}
    try:
        import respx

        mock = respx.MockRouter(assert_all_called=False)
        for number in range(routes - 1):
            mock.get(f"https://pay.example/{number}").respond(200)
        mock.get(URL).respond(json={"a": 1})
        found["respx"] = Peer(mock.start, mock.stop, client)
    except ImportError:
        pass
    plain, slow = new_scope(routes), new_scope(routes)
    slow.faults.on("*").timeline(head="1us")
    found["upstream"] = Peer(plain.activate, plain.deactivate, client)
    found["upstream, a fault on the wire"] = Peer(slow.activate, slow.deactivate, client)
    found |= pytest_httpxs(client, routes)
    return found


def pytest_httpxs(
    client: httpx.AsyncClient, routes: int
) -> dict[str, Callable[[], Awaitable[object]]]:
    """pytest-httpx's own mock, put in the way as its fixture does."""
    try:
        from pytest_httpx._httpx_mock import HTTPXMock
        from pytest_httpx._options import _HTTPXMockOptions
    except ImportError:
        return {}
    mock = HTTPXMock(_HTTPXMockOptions(can_send_already_matched_responses=True))
    for number in range(routes - 1):
        mock.add_response(url=f"https://pay.example/{number}", is_reusable=True)
    mock.add_response(url=URL, json={"a": 1}, is_reusable=True)
    original = httpx.AsyncHTTPTransport.handle_async_request

    async def handle(self: Any, request: httpx.Request) -> httpx.Response:
        return await mock._handle_async_request(self, request)

    def enter() -> None:
        httpx.AsyncHTTPTransport.handle_async_request = handle

    def leave() -> None:
        httpx.AsyncHTTPTransport.handle_async_request = original
        mock._requests.clear()

    return {"pytest-httpx": Peer(enter, leave, client)}


async def each_mock(routes: int) -> list[Result]:
    """So many routes, in each mock."""
    async with httpx.AsyncClient() as client:
        return await interleaved(contenders(client, routes), per=100, rounds=9)


async def many_routes() -> list[Result]:
    """The first and the last of many routes."""
    async with httpx.AsyncClient() as client:
        few, many = new_scope(), new_scope(MANY)
        return await interleaved(
            {
                "one route": Peer(few.activate, few.deactivate, client),
                f"the last of {MANY:,}": Peer(many.activate, many.deactivate, client),
            },
            per=100,
        )


def adding() -> str:
    """Seconds of CPU to add many routes."""
    began = time.process_time()
    new_scope(MANY)
    return f"Adding {MANY:,} routes: {time.process_time() - began:.2f} s of CPU\n"


def main() -> str:
    """The tables of this file."""
    head = versions("httpx", "respx")
    return "\n".join(
        [
            f"{head}\n",
            table("A mocked `GET`, one route", asyncio.run(each_mock(1))),
            table("A mocked `GET`, the last of 100 routes", asyncio.run(each_mock(100))),
            table("A mocked `GET` among many routes", asyncio.run(many_routes())),
            adding(),
        ]
    )
