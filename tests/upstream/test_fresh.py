"""A response copied field by field is the one that httpx would have built."""

import asyncio
import gzip

import httpx
import pytest

from pytest_asyncfastapi._upstream.response_copy import (
    PreloadedResponse,
    copy_response,
    copy_with_content,
)

REQUEST = httpx.Request("GET", "https://pay.example/charge")
MODELS = {
    "json": httpx.Response(201, json={"id": 7}, headers={"x-a": "b"}),
    "empty": httpx.Response(204),
    "latin-1": httpx.Response(200, text="é", headers={"x-a": b"\xe9"}),
    "gzip": httpx.Response(
        200,
        headers={"content-encoding": "gzip"},
        stream=httpx.ByteStream(gzip.compress(b"hello")),
    ),
    "extensions": httpx.Response(200, content=b"x", extensions={"http_version": b"HTTP/2"}),
}


def built(model):
    """The same, by httpx's own constructor."""
    return httpx.Response(
        model.status_code,
        headers=model.headers,
        stream=model.stream,
        request=REQUEST,
        extensions=dict(model.extensions),
    )


def shown(response):
    """Everything that it holds; headers by value."""
    state = dict(vars(response))
    state["headers"] = response.headers.raw
    state.pop("_decoder", None)
    return state


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_fresh_response_holds_what_httpx_gives_it(model):
    """No field is missing, added or shared but the stream."""
    ours, theirs = copy_response(model, REQUEST, httpx.Response), built(model)
    assert shown(ours) == shown(theirs)
    assert list(vars(ours)) == list(vars(theirs))
    ours.headers["x-new"] = "1"
    ours.extensions["new"] = 1
    ours.history.append(theirs)
    assert "x-new" not in model.headers
    assert "new" not in model.extensions
    assert copy_response(model, REQUEST, httpx.Response).history == []


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_loaded_response_is_as_after_read(model):
    """The recorded response is one that has been read."""
    ours, theirs = copy_with_content(model, REQUEST), built(model)
    theirs.read()
    assert shown(ours) == shown(theirs)


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_a_ready_response_is_read_as_httpx_reads(model):
    """`aread()` leaves the response as httpx's own does."""
    ours, theirs = copy_response(model, REQUEST, PreloadedResponse), built(model)
    assert await ours.aread() == await theirs.aread()
    assert shown(ours) == shown(theirs)
    with pytest.raises(httpx.StreamConsumed):
        [part async for part in ours.aiter_raw()]


@pytest.mark.anyio
async def test_a_ready_response_reads_through_a_stream_that_was_put_over_it():
    """An instrument or a hook that wraps the stream sees the chunks."""

    class Upper(httpx.AsyncByteStream):
        def __init__(self, stream):
            self._stream = stream

        async def __aiter__(self):
            async for chunk in self._stream:
                yield chunk.upper()

    response = copy_response(httpx.Response(200, text="hello"), REQUEST, PreloadedResponse)
    response.stream = Upper(response.stream)
    assert await response.aread() == b"HELLO"


def test_elapsed_is_known_after_reading(upstream):
    """The client times the response, as it does on the wire."""
    upstream.get("https://pay.example/charge").respond(json={"a": 1})

    async def app():
        async with httpx.AsyncClient() as client:
            response = await client.get("https://pay.example/charge")
            return response.elapsed.total_seconds(), response.is_closed, response.json()

    seconds, closed, data = asyncio.run(app())
    assert (seconds >= 0, closed, data) == (True, True, {"a": 1})
