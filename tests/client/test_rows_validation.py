"""Rows V: an app that breaks the protocol is told so, word by word."""

from __future__ import annotations

from typing import Any

import pytest
from apps import BODY, START, answering, sending

from pytest_asyncfastapi.client.errors import ProtocolViolation

REFUSED = "; the ASGI specification forbids it. Fix: "
MORE = {**BODY, "more_body": True}


async def told(opened: Any, *messages: Any, method: str = "GET") -> str:
    """What the caller is told of an app that sends these messages."""
    async with opened(sending(*messages)) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.request(method, "/x")
        with pytest.raises(ProtocolViolation) as streamed:
            async with client.stream(method, "/x") as response:
                await response.aread()
    assert str(caught.value) == str(streamed.value)
    label, _, text = str(caught.value).partition(": the app ")
    assert label == f"{method} /x"
    return text


async def test_V01_no_response(opened: Any) -> None:
    """The app returns without a word."""
    text = f"returned without sending a response{REFUSED}send one on every path."
    assert await told(opened) == text


async def test_V02_no_body(opened: Any) -> None:
    """The app returns after the start."""
    assert await told(opened, START) == (
        f"returned before its response was complete{REFUSED}"
        "end the body with a message without more_body."
    )


async def test_V03_an_unfinished_body(opened: Any) -> None:
    """The last message says that there is more."""
    assert await told(opened, START, MORE) == (
        f"returned before its response was complete{REFUSED}"
        "end the body with a message without more_body."
    )


async def test_V04_two_starts(opened: Any) -> None:
    """The second is one too many."""
    assert await told(opened, START, START) == (
        f"sent http.response.start twice{REFUSED}send it once."
    )


async def test_V05_body_before_start(opened: Any) -> None:
    """Status and headers come first."""
    assert await told(opened, BODY) == (
        f"sent http.response.body before http.response.start{REFUSED}"
        "send the status and headers first."
    )


async def test_V06_messages_after_the_response_are_ignored(opened: Any) -> None:
    """As the specification says."""
    async with opened(sending(START, BODY, BODY)) as client:
        assert (await client.get("/")).text == "x"


async def test_V07_an_unknown_message(opened: Any) -> None:
    """Its type is named; so is one of an extension that is not offered."""
    assert await told(opened, {"type": "http.nonsense"}) == (
        f"sent a message of type 'http.nonsense', which HTTP does not have{REFUSED}"
        "send http.response.start and http.response.body."
    )
    assert await told(opened, START, {"type": "http.response.pathsend", "path": "/x"}) == (
        f"sent http.response.pathsend, which scope['extensions'] does not offer{REFUSED}"
        "look there first, or offer it: open_app(app, extensions=[...])."
    )


async def test_V08_a_header_of_str(opened: Any) -> None:
    """Names and values are bytes; the status is an int, the length a number."""
    fix = f"{REFUSED}send names and values as bytes."
    assert await told(opened, {**START, "headers": [("a", "b")]}) == (
        f"sent the header ('a', 'b'){fix}"
    )
    assert await told(opened, {**START, "status": "200"}) == (
        f"sent a status of '200'{REFUSED}send an int, such as 200."
    )
    assert await told(opened, {**START, "headers": [(b"content-length", b"ten")]}) == (
        f"sent Content-Length: 'ten'{REFUSED}send a whole number."
    )


async def test_V09_a_body_of_str(opened: Any) -> None:
    """Bodies are bytes."""
    assert await told(opened, START, {**BODY, "body": "text"}) == (
        f"sent a body of type str{REFUSED}send bytes: text.encode()."
    )


async def test_V10_content_length_mismatch(opened: Any) -> None:
    """Too little and too much; not where there is no body."""
    start = {**START, "headers": [(b"content-length", b"10")]}
    fix = f"{REFUSED}let the framework set the header, or send what was declared."
    assert await told(opened, start, BODY) == f"declared Content-Length: 10 but sent 1 bytes{fix}"
    assert await told(opened, start, {**BODY, "body": b"x" * 11}) == (
        f"declared Content-Length: 10 but sent 11 bytes{fix}"
    )
    for status in (204, 304):
        async with opened(sending({**start, "status": status}, {**BODY, "body": b""})) as client:
            assert (await client.get("/")).status_code == status


async def test_V11_an_upper_case_header_name_is_a_note(opened: Any) -> None:
    """No error, since uvicorn takes it; told once a response, in words."""
    notes: list[str] = []
    async with opened(answering(200, [(b"X-Mine", b"1")]), note=notes.append) as client:
        assert (await client.get("/x")).headers["x-mine"] == "1"
    assert notes == [
        "GET /x: the app sent the header name 'X-Mine'; the ASGI specification asks for lower "
        "case, and a strict server (HTTP/2) refuses it. Fix: send it in lower case."
    ]
    async with opened(answering(200, [(b"X-Mine", b"1")])) as client:
        assert (await client.get("/x")).status_code == 200


async def test_a_swallowed_violation_is_still_told(opened: Any) -> None:
    """An app that catches our error in `send()` cannot hide it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            await send(START)
        except Exception:
            await send(BODY)

    async with opened(app) as client:
        with pytest.raises(ProtocolViolation, match="twice"):
            await client.get("/")
