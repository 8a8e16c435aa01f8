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


async def test_B03_a_receive_that_is_given_up_loses_nothing(opened: Any) -> None:
    """An app asks whether the client is still there, as Starlette does, and goes on reading."""
    ended: list[str] = []

    async def upload() -> Any:
        try:
            for number in range(4):
                await anyio.sleep(0.001)
                yield b"%d" % number
        finally:
            ended.append("closed")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pieces = []
        for _ in range(3):
            with anyio.CancelScope() as scope_:
                scope_.cancel()
                pieces.append((await receive())["body"])
        while (message := await receive())["more_body"]:
            pieces.append(message["body"])
        await answering(200, None, b"".join(pieces))(scope, receive, send)

    async with opened(app) as client:
        assert (await client.post("/", content=upload())).content == b"0123"
    assert ended == ["closed"]


async def test_B03_two_receives_at_a_time(opened: Any) -> None:
    """One listens for the client's leaving while the other reads: neither breaks the upload."""

    async def upload() -> Any:
        for number in range(4):
            await anyio.sleep(0.001)
            yield b"%d" % number

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pieces: list[bytes] = []

        async def listen() -> None:
            while (message := await receive())["type"] == "http.request":
                pieces.append(message["body"])
                if not message.get("more_body"):
                    group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            group.start_soon(listen)
        await answering(200, None, b"".join(pieces))(scope, receive, send)

    async with opened(app) as client:
        assert (await client.post("/", content=upload())).content == b"0123"


async def test_B04_an_unread_upload_is_left_where_it_stands(opened: Any) -> None:
    """The app answers in mid-upload: the caller's generator is ended, no task is left."""
    ended: list[str] = []

    async def upload() -> Any:
        try:
            yield b"0"
            await anyio.sleep_forever()
        finally:
            ended.append("closed")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        with anyio.move_on_after(0.001):
            await receive()
        await answering(413, None, b"too much")(scope, receive, send)

    async with opened(app) as client:
        assert (await client.post("/", content=upload())).status_code == 413
        await anyio.sleep(0)
    assert ended == ["closed"]


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
