"""Neither httpx nor httpx2 is imported unless it is used, and one without the other works."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

ASKS = """
import asyncio, sys
{before}
from pytest_asyncfastapi import open_app

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({{"type": "websocket.accept"}})
        await send({{"type": "websocket.send", "text": "hello"}})
        return await send({{"type": "websocket.close"}})
    events = scope["path"] == "/events"
    headers = [(b"content-type", b"text/event-stream")] if events else []
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b"data: 1\\n\\n"}})

async def main():
    async with open_app(app, client={library!r}, lifespan=False) as client:
        assert (await client.get("/")).status_code == 200
        async with client.stream("GET", "/") as response:
            assert await response.aread()
        async with client.sse("/events") as events:
            assert [event.data async for event in events] == ["1"]
        async with client.websocket("/") as ws:
            assert await ws.receive() == "hello"

asyncio.run(main())
"""
PRINTS = """
print(sorted(name for name in ("httpx", "httpx2", "trio", "respx") if sys.modules.get(name)))
"""
# As where it is not installed: an import of it fails.
BLOCKED = "sys.modules[{!r}] = None"


def ask(library: str, before: str = "") -> str:
    """What is imported once a client of this library has been used in every way."""
    return printed(ASKS.format(library=library, before=before) + PRINTS)


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_only_the_library_that_is_used_is_imported(library: str) -> None:
    """The other one is not, nor trio or respx; httpx 0.27 imports trio itself."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    assert ask(library) == printed(f"import sys, {library}" + PRINTS)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_other_library_need_not_be_there(library: str) -> None:
    """Nor trio."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    other = "httpx2" if library == "httpx" else "httpx"
    before = "; ".join(BLOCKED.format(name) for name in (other, "trio"))
    assert ask(library, before) == f"[{library!r}]"


def test_open_app_itself_imports_neither() -> None:
    """Only opening a client does."""
    code = "import sys, pytest_asyncfastapi; print({'httpx', 'httpx2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
