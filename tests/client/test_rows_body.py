"""Rows B: request bodies."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from apps import BODY, START, answering


async def test_B01_a_body_arrives_whole(opened: Any) -> None:
    """With its Content-Length."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive(), dict(scope["headers"])[b"content-length"]))
        await answering()(scope, receive, send)

    async with opened(app) as client:
        await client.post("/", content=b"x" * 100_000)
    message, length = seen[0]
    assert message == {"type": "http.request", "body": b"x" * 100_000, "more_body": False}
    assert length == b"100000"


async def test_B02_a_streamed_body_is_read_lazily(opened: Any) -> None:
    """The app reads the first chunk before the caller has made the second."""
    order: list[str] = []

    async def upload() -> Any:
        for number in range(2):
            order.append(f"made {number}")
            yield b"x"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            if message["body"]:
                order.append("read")
        await answering(200, None, b"ok")(scope, receive, send)

    async with opened(app) as client:
        await client.post("/", content=upload())
    assert order == ["made 0", "read", "made 1", "read"]


async def test_B03_full_duplex(opened: Any) -> None:
    """The app answers each piece while the upload goes on."""
    answered = anyio.Event()

    async def upload() -> Any:
        yield b"1"
        await answered.wait()
        yield b"2"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        while (message := await receive())["more_body"]:
            await send({**BODY, "body": message["body"], "more_body": True})
        await send({**BODY, "body": b"."})

    async with opened(app) as client:
        async with client.stream("POST", "/", content=upload()) as response:
            parts = []
            async for part in response.aiter_raw():
                parts.append(part)
                answered.set()
    assert parts == [b"1", b"2", b"."]


async def test_B04_an_answer_without_reading(opened: Any) -> None:
    """The app need not read the body."""
    async with opened(answering(413, None, b"no")) as client:
        assert (await client.post("/", content=b"x" * 10)).status_code == 413


async def test_B05_an_error_in_the_upload_is_the_callers(opened: Any) -> None:
    """It reaches the caller as itself; the app sees a disconnect."""
    seen: list[str] = []

    async def upload() -> Any:
        yield b"x"
        raise LookupError("no more data")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not seen or seen[-1] != "http.disconnect":
            seen.append((await receive())["type"])

    async with opened(app) as client:
        with pytest.raises(LookupError, match="no more data"):
            await client.post("/", content=upload())
    assert seen == ["http.request", "http.disconnect"]
