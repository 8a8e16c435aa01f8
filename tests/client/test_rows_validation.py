"""Rows V: an app that breaks the protocol is told so, word by word."""

from __future__ import annotations

from typing import Any

import pytest
from apps import BODY, START, answering, sending

from pytest_asyncfastapi._client.errors import ProtocolViolation

REFUSED = "; the ASGI specification forbids it. Fix: "
MORE = {**BODY, "more_body": True}


async def told(opened: Any, *messages: Any, method: str = "GET") -> str:
    """What the caller sees of an app that sends these messages."""
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


@pytest.mark.parametrize("status", [99, 102, 199, 600, 1000])
async def test_a_status_that_no_server_sends(opened: Any, status: int) -> None:
    """From 200 to 599; an informational one is no response."""
    assert await told(opened, {**START, "status": status}, BODY) == (
        f"sent a status of {status}, which no server sends as the status of a response{REFUSED}"
        "send one from 200 to 599."
    )


async def test_any_other_status_is_sent(opened: Any) -> None:
    """Known to HTTP or not."""
    for status in (200, 299, 418, 599):
        async with opened(answering(status)) as client:
            assert (await client.get("/")).status_code == status


@pytest.mark.parametrize("bad", [b"a\r\nset-cookie: b=1", b"a\nb", b"a\rb", b"a\0", b"\x0ba"])
async def test_a_header_value_that_no_server_sends(opened: Any, bad: bytes) -> None:
    """Line breaks and NUL; wherever an app may send headers."""
    fix = f"{REFUSED}leave them out of 'x-a', or encode the value (urllib.parse.quote)."
    said = f"sent the header 'x-a' with the value {bad.decode()!r}: no server sends line breaks"
    text = f"{said} or NUL in a header{fix}"
    assert await told(opened, {**START, "headers": [(b"x-a", bad)]}, BODY) == text
    promised = {**START, "trailers": True}
    trailers = {"type": "http.response.trailers", "headers": [(b"x-a", bad)]}
    assert await told(opened, promised, BODY, trailers) == text
    hint = {"type": "http.response.early_hint", "links": [bad]}
    assert await told(opened, hint, START, BODY) == text.replace("x-a", "link")


@pytest.mark.parametrize("bad", [b"x a", b"", b"x:", "caf\u00e9".encode(), b"x\n", b"x/y"])
async def test_a_header_name_that_no_server_sends(opened: Any, bad: bytes) -> None:
    """It has to be a token."""
    assert await told(opened, {**START, "headers": [(bad, b"1")]}, BODY) == (
        f"sent the header name {bad.decode('latin-1')!r}, which no server sends{REFUSED}"
        "use letters, digits and dashes."
    )


async def test_what_one_server_refuses_is_a_note(opened: Any) -> None:
    """Spaces around a value, control characters in it: sent, and reported."""
    for value in (b" a", b"a\t", b"a\x01"):
        notes: list[str] = []
        async with opened(answering(200, [(b"x-a", value)]), note=notes.append) as client:
            assert (await client.get("/x")).status_code == 200
        assert notes == [
            f"GET /x: the app sent the header 'x-a' with the value {value.decode()!r}; uvicorn "
            "refuses spaces around a value (with h11) or control characters in it (with "
            "httptools). Fix: leave them out."
        ]
    async with opened(answering(200, [(b"x-a", b"a b\tc \xe9")]), note=pytest.fail) as client:
        assert (await client.get("/x")).headers.raw[0] == (b"x-a", b"a b\tc \xe9")


async def test_lengths_and_encodings(opened: Any) -> None:
    """Two lengths that differ, and an encoding that a server does not set."""
    lengths = [(b"content-length", b"1"), (b"Content-Length", b"2")]
    assert await told(opened, {**START, "headers": lengths}, BODY) == (
        f"sent Content-Length: 1 and Content-Length: 2{REFUSED}"
        "send it once; let the framework set it."
    )
    encoding = [(b"transfer-encoding", b"gzip")]
    assert await told(opened, {**START, "headers": encoding}, BODY) == (
        f"sent Transfer-Encoding: 'gzip'{REFUSED}leave the header out: the server sets it."
    )
    for good in (lengths[:1] * 2, [(b"transfer-encoding", b"chunked")]):
        async with opened(sending({**START, "headers": good}, BODY)) as client:
            assert (await client.get("/")).text == "x"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_body_that_the_status_cannot_have(opened: Any, status: int) -> None:
    """Dropped, as by a server, and reported once; without one there is nothing to say."""
    notes: list[str] = []
    start = {**START, "status": status, "headers": [(b"content-length", b"2")]}
    async with opened(sending(start, MORE, BODY), note=notes.append) as client:
        assert (await client.get("/x")).content == b""
        async with client.stream("GET", "/x") as response:
            assert await response.aread() == b""
    text = (
        f"GET /x: the app sent a body with status {status}, which has none: it is dropped, as by "
        f"a server. Fix: return Response(status_code={status}) without content, or another status."
    )
    assert set(notes) == {text}
    empty = sending({**START, "status": status}, {**BODY, "body": b""})
    async with opened(empty, note=pytest.fail) as client:
        assert (await client.get("/x")).status_code == status


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"x-a": "a\r\nb"}, "Illegal header value b'a\\r\\nb'"),
        ({"x-a": " a"}, "Illegal header value b' a'"),
        ({"x a": "a"}, "Illegal header name b'x a'"),
    ],
    ids=["line break", "space around", "name"],
)
async def test_what_the_client_could_not_send(
    opened: Any, http: Any, bad: dict[str, str], said: str
) -> None:
    """The library's own error, with the words of h11, before the app is called."""
    async with opened(answering(500)) as client:
        for call in (client.get("/", headers=bad), client.websocket("/", headers=bad).__aenter__()):
            with pytest.raises(http.LocalProtocolError) as caught:
                await call
            assert str(caught.value) == said
