"""A mocked answer is what a server's would be for the client, whether or not a fault is about."""

import anyio
import httpx
import pytest

URL = "https://pay.example/charge"
LATE = "https://slow.example/charge"
# Method, and what the route is given.
ANSWERS = {
    "HEAD with a body": ("HEAD", {"text": "x"}),
    "204 with a body": ("GET", {"status_code": 204, "content": b"abc"}),
    "304 with a body": ("GET", {"status_code": 304, "content": b"abc"}),
    "304 with a length": ("GET", {"status_code": 304, "headers": {"Content-Length": "9"}}),
    "HEAD with a length": ("HEAD", {"headers": {"Content-Length": "9"}}),
    "no body": ("GET", {}),
    "no body, and a header": ("GET", {"headers": {"X-A": "1"}}),
    "204": ("DELETE", {"status_code": 204}),
    "a body": ("GET", {"json": [1]}),
    "a stream": ("GET", {"stream": [b"ab", b"c"]}),
    "too long a length": ("GET", {"content": b"abc", "headers": {"Content-Length": "10"}}),
    "too short a length": ("GET", {"content": b"abc", "headers": {"Content-Length": "1"}}),
    "no number": ("GET", {"content": b"abc", "headers": {"Content-Length": "x"}}),
    "two lengths": (
        "GET",
        {"content": b"abc", "headers": [("Content-Length", "3"), ("Content-Length", "4")]},
    ),
    "a line break": ("GET", {"headers": {"X-A": "a\nb"}}),
    "an early status": ("GET", {"status_code": 101}),
}
BROKEN = list(ANSWERS)[10:]


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, chunks):
        self._chunks = chunks

    def __iter__(self):
        yield from self._chunks

    async def __aiter__(self):
        for chunk in self._chunks:
            yield chunk


def route(upstream, url, method, answer):
    given = {"status_code": 200, **answer}
    if "stream" in given:
        given["stream"] = Chunks(given["stream"])
    return upstream.request(method, url).mock(return_value=httpx.Response(**given))


def seen(library, mode, method, url, **options):
    """Status, body and headers, or the name of the error."""

    def shown(response):
        kept = sorted(response.headers.multi_items())
        return response.status_code, response.content, kept, response.extensions["http_version"]

    client = library.AsyncClient(**options)  # not in the loop: it reads certificates

    async def call():
        async with client:
            return shown(await client.request(method, url))

    try:
        if mode == "sync":
            with library.Client(**options) as client:
                return shown(client.request(method, url))
        return anyio.run(call, backend=mode)
    except library.HTTPError as error:
        return type(error).__name__


@pytest.mark.parametrize("name", ANSWERS)
def test_with_and_without_a_fault(scope, library, mode, name):
    """A delay changes nothing but the time; HEAD, 204 and 304 have no body."""
    method, answer = ANSWERS[name]
    route(scope.router, URL, method, answer)
    plain = seen(library, mode, method, URL)
    route(scope.router, LATE, method, answer)
    scope.faults.on("https://slow.example/*").latency("1ms")
    assert seen(library, mode, method, LATE) == plain
    if name in BROKEN:
        assert plain == "RemoteProtocolError"
    else:
        assert plain[1] == {"a body": b"[1]", "a stream": b"abc"}.get(name, b"")
        assert plain[3] == b"HTTP/1.1"
    kinds = {(item.kind, item.severity) for item in scope.findings()}
    assert kinds == ({("undeliverable-answer", "warning")} if name in BROKEN else set())


@pytest.mark.parametrize("name", list(ANSWERS)[:9])
def test_over_http2_too(scope, library, name):
    """The same, in the other protocol."""
    method, answer = ANSWERS[name]
    route(scope.router, URL, method, answer)
    plain = seen(library, "asyncio", method, URL, http2=True)
    route(scope.router, LATE, method, answer)
    scope.faults.on("https://slow.example/*").latency("1ms")
    assert seen(library, "asyncio", method, LATE, http2=True) == plain
    assert plain[3] == b"HTTP/2"


def test_what_is_wrong_is_named(upstream, scope):
    """With the line that called, and what to change."""
    upstream.get(URL).respond(content=b"abc", headers={"Content-Length": "10"})
    assert seen(httpx, "sync", "GET", URL) == "RemoteProtocolError"
    (found,) = scope.findings()
    assert found.title == (
        "the answer to GET https://pay.example/charge breaks HTTP: its Content-Length is 10, and "
        "its body has 3 bytes"
    )
    assert found.where.function == "seen"
    assert "leave out the header" in found.remedy


def test_the_answer_of_a_side_effect(upstream, library, mode):
    """A function's answer is looked at like a prepared one."""
    upstream.head(URL).mock(side_effect=lambda request: httpx.Response(200, text="x"))
    assert seen(library, mode, "HEAD", URL)[:2] == (200, b"")
    assert upstream.calls.call_count == 1


def test_the_network_stream_says_nothing(upstream, library):
    """Code that looks at the peer's address or certificate finds none."""
    upstream.get(URL).respond(text="x")
    with library.Client() as client:
        stream = client.get(URL).extensions["network_stream"]
    assert stream.get_extra_info("server_addr") is None


def test_a_body_beside_connection_close(scope, library, mode):
    """The whole body comes, and a cut of it is where it says."""
    scope.router.get(URL).respond(text="0123456789")
    scope.faults.on("*").connection_close()
    assert seen(library, mode, "GET", URL)[1] == b"0123456789"
    scope.faults.on("*").close_after(4)
    assert seen(library, mode, "GET", URL) == "RemoteProtocolError"
