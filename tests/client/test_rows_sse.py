"""Server-sent events: the row of the checklist, the parser's rules, what is no event stream."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from apps import START, answering
from libraries import NAMES, Library
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from pytest_asyncfastapi._client.sse import NotAnEventStream
from pytest_asyncfastapi._client.sse_parser import EventParser, ServerSentEvent

EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8")]


@pytest.fixture(params=NAMES)
def library(request: pytest.FixtureRequest) -> Library:
    return Library(request.param)


def tasks() -> int:
    """How many tasks run: zero more after a stream than before it."""
    import asyncio

    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        import trio

        return trio.lowlevel.current_statistics().tasks_living


class Ticker:
    """An app with an endless event stream, which notes that its generator was finalised."""

    def __init__(self, response: str) -> None:
        self.finalised = False
        self._response = response
        self.app = Starlette(routes=[Route("/events", self.endpoint)])

    async def endpoint(self, request: Request) -> Any:
        if self._response == "sse-starlette":
            return EventSourceResponse(self.ticks())
        return StreamingResponse(self.lines(), media_type="text/event-stream")

    async def ticks(self) -> AsyncIterator[dict[str, Any]]:
        try:
            number = 0
            while True:
                number += 1
                yield {"event": "tick", "id": str(number), "data": f'{{"n": {number}}}'}
                await anyio.sleep(0.001)
        finally:
            self.finalised = True

    async def lines(self) -> AsyncIterator[str]:
        try:
            number = 0
            while True:
                number += 1
                yield f'event: tick\nid: {number}\ndata: {{"n": {number}}}\n\n'
                await anyio.sleep(0.001)
        finally:
            self.finalised = True


@pytest.mark.parametrize("response", ["sse-starlette", "starlette"])
async def test_R12_some_events_then_leave(library: Library, response: str) -> None:
    """The generator is finalised when the block is left, and no task is."""
    ticker = Ticker(response)
    async with library.opened(ticker.app) as client:
        # The first stream of a loop starts sse-starlette's own watcher of its server's end.
        async with client.sse("/events") as events:
            await anext(events)
        before, ticker.finalised = tasks(), False
        numbers = []
        async with client.sse("/events") as events:
            async for event in events:
                assert (event.event, event.id) == ("tick", str(event.json()["n"]))
                numbers.append(event.json()["n"])
                if len(numbers) == 3:
                    break
        assert numbers == [1, 2, 3]
        assert ticker.finalised
        assert events.last_event_id == "3"
        assert tasks() == before
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gc.collect()


# trio warns of the generators that are dropped in the middle: httpx's, and the app's.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_R03_a_generator_that_never_waits_is_left_too(library: Library) -> None:
    """It would hold the loop forever, if `send()` did not let others run."""

    async def bytes_for_ever() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000

    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(bytes_for_ever())

    app = Starlette(routes=[Route("/", endpoint)])
    async with library.opened(app) as client:
        before = tasks()
        async with client.stream("GET", "/") as response:
            async for _ in response.aiter_raw():
                break
        assert tasks() == before


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_an_app_that_loops_after_the_disconnect_is_cancelled(
    library: Library, kind: str
) -> None:
    """Neither `receive()` nor a `send()` that raises may spin in it."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"} if kind == "websocket" else START)
        try:
            while kind == "http":
                await receive()
            while True:
                try:
                    await send({"type": "websocket.send", "text": "x"})
                except OSError:
                    pass
        finally:
            ended.append("cancelled")

    async with library.opened(app) as client:
        if kind == "http":
            async with client.stream("GET", "/"):
                pass
        else:
            async with client.websocket("/"):
                pass
        assert ended == ["cancelled"]


async def test_an_exception_of_the_app_surfaces_after_its_events(library: Library) -> None:
    """As itself, as in any stream."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": EVENTS})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        raise ZeroDivisionError

    got: list[str] = []
    async with library.opened(app) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.sse("/events") as events:
                async for event in events:
                    got.append(event.data)
    assert got == ["1"]


async def test_an_assertion_of_the_test_is_not_wrapped(library: Library) -> None:
    """From inside the block, with the stream still going on."""
    ticker = Ticker("starlette")
    async with library.opened(ticker.app) as client:
        with pytest.raises(AssertionError, match="mine"):
            async with client.sse("/events") as events:
                await anext(events)
                raise AssertionError("mine")
    assert ticker.finalised


async def test_silence_is_a_read_timeout_and_pings_are_not_silence(library: Library) -> None:
    """Each chunk starts the wait anew, an event or not."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": EVENTS})
        for _ in range(4):
            await anyio.sleep(0.1)
            await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await anyio.sleep_forever()

    async with library.opened(app) as client:
        async with client.sse("/events", timeout=0.3) as events:
            assert (await anext(events)).data == "1"
            with pytest.raises(library.errors.ReadTimeout):
                await anext(events)


async def test_the_request_is_what_a_browser_sends(library: Library) -> None:
    """With the headers of the test, the client's cookies and any method."""
    seen: list[dict[str, Any]] = []
    app = answering(200, EVENTS, b"data: ", b"x\n", b"\n", b"data: lost", seen=seen)
    async with library.opened(app, cookies={"s": "1"}) as client:
        headers = {"Last-Event-ID": "41"}
        async with client.sse("/e", method="POST", headers=headers, json={"q": 1}) as events:
            assert [event.data async for event in events] == ["x"]
    assert seen[0]["method"] == "POST"
    sent = dict(seen[0]["headers"])
    assert (sent[b"accept"], sent[b"accept-encoding"]) == (b"text/event-stream", b"identity")
    assert (sent[b"last-event-id"], sent[b"cookie"]) == (b"41", b"s=1")


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (200, [(b"content-type", b"text/html")], "200 with text/html"),
        (404, EVENTS, "404 with text/event-stream"),
        (200, [], "200 with no content-type"),
        (200, [*EVENTS, (b"content-encoding", b"gzip")], "with content-encoding gzip"),
        (
            401,
            [(b"content-type", b"application/json"), (b"content-length", b"2")],
            r"401 with application/json: '\{\}'",
        ),
    ],
)
async def test_what_is_no_event_stream_is_named(
    library: Library, status: int, headers: Any, words: str
) -> None:
    """Status, type and body of what came instead, and what to do."""
    async with library.opened(answering(status, headers, b"{}")) as client:
        with pytest.raises(
            NotAnEventStream, match=rf"^GET /e: .*answered {words}.*Fix: "
        ) as caught:
            async with client.sse("/e"):
                pytest.fail("entered")
    assert caught.value.response.status_code == status


def parsed(*chunks: bytes) -> list[ServerSentEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


Event = ServerSentEvent


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [Event(data="a")]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [Event(data=d) for d in "abc"]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(data="a")]),
        (b"\n\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\ndata:  b\ndata:c\ndata\n\n", [Event(data="a\n b\nc\n")]),
        (b"data\n\n", [Event(data="")]),
        (b"data: a: b\n\n", [Event(data="a: b")]),
        (b": comment\ndata: a\n: another\n\n: third\n\n", [Event(data="a")]),
        (b"event: x\n\ndata: a\n\n", [Event(data="a")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [Event("x", "a"), Event(data="b")]),
        (
            b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [Event(data=d, id=i) for d, i in ["a1", "b1", ("c", "")]],
        ),
        (b"id: 1\x002\ndata: a\n\n", [Event(data="a")]),
        (b"retry: 30\ndata: a\n\ndata: b\n\n", [Event(data="a", retry=30), Event(data="b")]),
        (b"retry: 3s\nretry: -1\nretry: \xd9\xa3\ndata: a\n\n", [Event(data="a")]),
        (b"retry: 7\n\ndata: a\n\n", [Event(data="a", retry=7)]),
        (b"Data: a\nunknown: b\n data: c\n\n", []),
        ("data: é\u2028\x0c\x85\n\n".encode(), [Event(data="é\u2028\x0c\x85")]),
        (b"data: \xff\n\n", [Event(data="\ufffd")]),
        (b"data: unfinished\n", []),
        (b"", []),
    ],
)
def test_the_parser_follows_the_specification(stream: bytes, events: list[Event]) -> None:
    """However the stream is cut into chunks."""
    assert parsed(stream) == events
    assert parsed(*(bytes([byte]) for byte in stream)) == events
    for cut in range(len(stream)):
        assert parsed(stream[:cut], b"", stream[cut:]) == events
