"""What one request costs, from the test to the app and back: ours and the other clients.

All ask the same FastAPI app for 7 bytes of JSON, in turns, in one process and one loop;
Starlette's TestClient brings a loop of its own in a thread, whose CPU time counts.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI

from pytest_asyncfastapi import open_app

from .measure import Result, interleaved, table, versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

app = FastAPI()
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/json",
    "raw_path": b"/json",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"testserver")],
    "client": ("127.0.0.1", 50000),
    "server": ("testserver", 80),
}
OPTIONAL = {"httpx2": "httpx2", "async-asgi-testclient": "async_asgi_testclient"}


@app.get("/json")
async def plain() -> dict[str, int]:
    return {"a": 1}


async def bare() -> None:
    """The app alone: what every client pays."""
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({**SCOPE, "state": {}}, receive, send)
    assert sent[0]["status"] == 200


async def compare() -> list[Result]:
    """Whoever is installed, in turns."""
    from starlette.testclient import TestClient

    base = {"base_url": "http://testserver"}
    async with AsyncExitStack() as stack:
        transport = httpx.ASGITransport(app=app)
        plain_httpx = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, **base)
        )
        clients: dict[str, Any] = {"httpx.AsyncClient + ASGITransport": plain_httpx}
        clients["asgi_client (httpx)"] = await stack.enter_async_context(open_app(app))
        if find_spec("httpx2"):
            import httpx2

            transport2 = httpx2.ASGITransport(app=app)
            clients["httpx2.AsyncClient + ASGITransport"] = await stack.enter_async_context(
                httpx2.AsyncClient(transport=transport2, **base)
            )
            clients["asgi_client (httpx2)"] = await stack.enter_async_context(
                open_app(app, client="httpx2")
            )
        if find_spec("async_asgi_testclient"):
            from async_asgi_testclient import TestClient as AsyncTestClient

            clients["async-asgi-testclient"] = await stack.enter_async_context(AsyncTestClient(app))
        sync = stack.enter_context(ExitStack()).enter_context(TestClient(app))

        def get(client: Any) -> Callable[[], Awaitable[object]]:
            return lambda: client.get("/json")

        async def with_test_client() -> None:
            sync.get("/json")

        contenders = {name: get(client) for name, client in clients.items()}
        contenders["Starlette's TestClient"] = with_test_client
        return await interleaved({"the app alone, bare ASGI": bare, **contenders}, per=100)


def main() -> str:
    """The table of this file."""
    results = asyncio.run(compare())
    base = next(n for n, result in enumerate(results) if result.name.startswith("httpx.Async"))
    packages = ["httpx", "fastapi", "starlette"]
    packages += [name for name, module in OPTIONAL.items() if find_spec(module)]
    title = "One request: `GET`, 7 bytes of JSON by FastAPI"
    return f"{versions(*packages)}\n\n{table(title, results, base=base)}"


if __name__ == "__main__":
    print(main())
