"""`upstream.serve()`: the routes and faults on a real socket, for clients that are not httpx."""

import asyncio
import json
import socket
import threading
import time

import aiohttp
import anyio
import httpx
import pytest
import requests

BASE = "https://pay.example"
URL = BASE + "/charge"
SHORT = 0.2


@pytest.fixture
def server(upstream):
    with upstream.serve(BASE) as server:
        yield server
    assert [item.name for item in threading.enumerate() if item.name == "asyncfastapi-serve"] == []


def in_aiohttp(url, method="GET", **options):
    async def call():
        timeout = aiohttp.ClientTimeout(total=options.pop("timeout", 5))
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async with session.request(method, url, **options) as response:
                return response.status, await response.read()

    return asyncio.run(call())


def in_requests(url, method="GET", timeout=5, **options):
    response = requests.request(method, url, timeout=timeout, **options)
    return response.status_code, response.content


@pytest.fixture(params=[in_aiohttp, in_requests])
def call(request):
    return request.param


def test_routes_answer_other_clients(upstream, server, call):
    """aiohttp and requests get the routes of the upstream, by path, params and body."""
    route = upstream.post(URL, params={"a": "1"}).respond(201, json={"id": 7})
    upstream.get(URL).mock(side_effect=lambda request: httpx.Response(200, text=str(request.url)))
    status, body = call(server.url + "/charge", "POST", params={"a": "1"}, json={"amount": 3})
    assert (status, json.loads(body)) == (201, {"id": 7})
    assert call(server.url + "/charge?x=%20y") == (200, f"{URL}?x=%20y".encode())
    route.assert_called_once_with(json={"amount": 3}, headers={"host": "pay.example"})
    first, second = upstream.exchanges
    assert (first.method, first.url, first.library, first.status) == (
        "POST",
        f"{URL}?a=1",
        "served",
        201,
    )
    assert second.ended is not None


def test_a_connection_is_kept_and_calls_do_not_overlap(upstream, server):
    """Fifty calls one after the other on one connection: the peak is one."""
    upstream.put(URL).mock(side_effect=lambda request: httpx.Response(200, content=request.content))
    upstream.head(URL).respond(204)
    with requests.Session() as session:
        for number in range(50):
            body = b"x" * number * 1000
            assert session.put(server.url + "/charge", data=body, timeout=5).content == body
            assert session.head(server.url + "/charge", timeout=5).status_code == 204
        (pool,) = session.get_adapter("http://").poolmanager.pools._container.values()
        assert pool.num_connections == 1
    assert upstream.peak_in_flight == 1
    assert len(upstream.exchanges) == 100


def test_an_un_routed_call_fails_the_test(scope, upstream, server, call):
    """The client gets words; the finding has the nearest routes."""
    upstream.post(URL).respond(200)
    status, body = call(server.url + "/charge")
    assert status == 501
    assert b"no route answers GET https://pay.example/charge" in body
    found = [finding for finding in scope.findings() if finding.kind == "unrouted"]
    assert "the method is GET, the route wants POST" in found[0].evidence
    assert upstream.exchanges[0].error == "UnroutedCall"


FAULTS = {
    "reset": (lambda f: f.reset(), aiohttp.ClientOSError, requests.ConnectionError),
    "reset in the body": (
        lambda f: f.reset(after_bytes=3),
        (aiohttp.ClientOSError, aiohttp.ClientPayloadError),
        (requests.ConnectionError, requests.exceptions.ChunkedEncodingError),
    ),
    "empty": (lambda f: f.empty_reply(), aiohttp.ServerDisconnectedError, requests.ConnectionError),
    "truncated": (
        lambda f: f.truncated(),
        aiohttp.ClientPayloadError,
        requests.exceptions.ChunkedEncodingError,
    ),
    "garbage": (lambda f: f.garbage(), aiohttp.ClientResponseError, requests.ConnectionError),
    "stall": (lambda f: f.read_timeout(), TimeoutError, requests.Timeout),
    "stall in the body": (
        lambda f: f.stall(after_bytes=3),
        TimeoutError,
        (requests.Timeout, requests.ConnectionError),
    ),
    "slow": (lambda f: f.latency(30), TimeoutError, requests.Timeout),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_real(upstream, faults, server, call, fault):
    """Each client meets the failure that it has for that; the next call is whole again."""
    # aiohttp makes a call of another method again by itself.
    upstream.post(URL).respond(text="hello, world")
    put, of_aiohttp, of_requests = FAULTS[fault]
    rule = put(faults.on(URL)).first(1)
    with pytest.raises(of_aiohttp if call is in_aiohttp else of_requests):
        # Only a stall is ended by the client's budget; a busy machine must not end the others.
        call(server.url + "/charge", "POST", timeout=SHORT if fault[:2] in ("st", "sl") else 60)
    assert call(server.url + "/charge", "POST", timeout=60) == (200, b"hello, world")
    assert rule.hits == 1
    assert upstream.exchanges[0].fault.startswith(f"{URL}: ")


def test_a_bad_chunk_on_the_wire(upstream, faults, server):
    """The body, a chunk size that is no number, and the end: what clients make of it differs."""
    upstream.get(URL).respond(text="hello, world")
    faults.on(URL).bad_chunk()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 5) as wire:
        wire.sendall(b"GET /charge HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = b""
        while data := wire.recv(65536):
            heard += data
    assert heard.endswith(b"\r\n\r\nc\r\nhello, world\r\nzz\r\n")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        in_requests(server.url + "/charge")


def test_times_are_real(upstream, faults, server, call):
    """A delay and a dribbled body take their time."""
    upstream.get(URL).respond(text="hello, world")
    faults.on(URL).latency(0.05).first(1)
    faults.on(URL).dribble(4, 0.06).first(1)
    begin = time.monotonic()
    assert call(server.url + "/charge") == (200, b"hello, world")
    assert time.monotonic() - begin >= 0.1


def test_a_status_fault(upstream, faults, server, call):
    """A 503 with Retry-After comes instead of the route's answer."""
    upstream.get(URL).respond(text="hello")
    faults.on(URL).status(503, retry_after=1).first(1)
    response = requests.get(server.url + "/charge", timeout=5)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert call(server.url + "/charge")[0] == 200


def test_the_port_is_closed_and_opened_again(upstream, server, call):
    """Refused is refused by the system; a kept connection is closed too."""
    upstream.get(URL).respond(text="hello")
    with requests.Session() as session:
        assert session.get(server.url + "/charge", timeout=5).text == "hello"
        with server.refused():
            with pytest.raises(requests.ConnectionError, match="Connection refused"):
                session.get(server.url + "/charge", timeout=5)
            with pytest.raises((aiohttp.ClientConnectorError, requests.ConnectionError)):
                call(server.url + "/charge")
    assert call(server.url + "/charge")[0] == 200


@pytest.mark.parametrize("fault", ["refused", "dns_error", "pool_timeout", "write_timeout"])
def test_what_a_server_cannot_do_is_said(scope, upstream, faults, server, fault):
    """A fault inside the client gets words, and fails the test."""
    upstream.get(URL).respond(text="hello")
    getattr(faults.on(URL), fault)()
    status, body = in_requests(server.url + "/charge")
    assert status == 501
    assert f"the fault {fault} cannot be served" in body.decode()
    (finding,) = (item for item in scope.findings() if item.kind == "not-served")
    assert finding.remedy


def test_side_effects(scope, upstream, server):
    """A coroutine answers; a transport error breaks the call; another one is found."""

    async def effect(request):
        await anyio.sleep(0)
        return httpx.Response(202)

    def wrong(request):
        raise KeyError("amount")

    upstream.get(URL).mock(side_effect=effect)
    upstream.post(URL).mock(side_effect=httpx.ConnectError)
    upstream.put(URL).mock(side_effect=wrong)
    upstream.delete(URL).mock(side_effect=[httpx.Response(200)])
    assert in_requests(server.url + "/charge") == (202, b"")
    with pytest.raises(requests.ConnectionError):
        in_requests(server.url + "/charge", "POST")
    assert in_requests(server.url + "/charge", "PUT") == (
        500,
        b"pytest-asyncfastapi: KeyError: 'amount'",
    )
    assert in_requests(server.url + "/charge", "DELETE")[0] == 200
    status, body = in_requests(server.url + "/charge", "DELETE")
    assert (status, b"has no answer left" in body) == (501, True)
    assert {item.kind for item in scope.findings()} == {"serve-error", "upstream-exhausted"}


def test_no_http_is_answered_in_words(upstream, server):
    """Bytes that are no request get a 400."""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 5) as wire:
        wire.sendall(b"nonsense\r\n\r\n")
        assert b"this is not an HTTP/1.1 request" in wire.recv(65536)


def test_an_upload_that_asks_first(upstream, server):
    """`Expect: 100-continue` is answered; a chunked upload is read."""
    upstream.put(URL).mock(side_effect=lambda request: httpx.Response(200, content=request.content))
    assert in_aiohttp(server.url + "/charge", "PUT", data=b"abc", expect100=True) == (200, b"abc")
    chunks = iter([b"one", b"two"])
    assert in_requests(server.url + "/charge", "PUT", data=chunks) == (200, b"onetwo")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_stops_while_a_client_waits(upstream, faults, backend):
    """A stalled client is let go; nothing hangs, and no thread is left."""
    upstream.get(URL).respond(200)
    faults.on(URL).read_timeout()
    ended = []

    def client(url):
        try:
            requests.get(url + "/charge", timeout=60)
        except requests.ConnectionError:
            ended.append("let go")

    async def run():
        async with upstream.serve(BASE) as server:
            thread = threading.Thread(target=client, args=(server.url,))
            thread.start()
            while not upstream.exchanges:
                await anyio.sleep(0.01)
        await anyio.to_thread.run_sync(thread.join)

    anyio.run(run, backend=backend)
    assert ended == ["let go"]
    assert [item.name for item in threading.enumerate() if item.name == "asyncfastapi-serve"] == []


def test_the_end_of_the_test_stops_it(new_scope):
    """A server that nobody stopped ends with the scope."""
    scope = new_scope()
    server = scope.router.serve(BASE).start()
    assert server.start() is server
    scope.deactivate()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)
    assert [item.name for item in threading.enumerate() if item.name == "asyncfastapi-serve"] == []


def test_the_only_origin_needs_no_name(upstream):
    """Where all routes are of one host it is meant; otherwise a sentence asks which."""
    upstream.get(URL).respond(text="hello")
    with upstream.serve() as server:
        assert in_requests(server.url + "/charge") == (200, b"hello")
    upstream.get("https://mail.example/").respond(200)
    with pytest.raises(ValueError, match="https://mail.example, https://pay.example: say"):
        upstream.serve().start()


@pytest.mark.parametrize("base", ["pay.example", "ftp://pay.example", "https://pay.example/?a=1"])
def test_a_base_that_is_none_is_a_sentence(upstream, base):
    """The base is a URL without a query."""
    with pytest.raises(ValueError, match="is not a base URL: write the upstream's own"):
        upstream.serve(base)


def test_no_url_before_it_runs(upstream):
    """A server that was not entered says so."""
    with pytest.raises(RuntimeError, match="has no URL before it runs"):
        _ = upstream.serve(BASE).url


def test_an_app_with_aiohttp_and_one_with_requests(pytester):
    """As a user has it: an async endpoint with aiohttp, a `def` endpoint with requests."""
    pytester.makepyfile(
        app="""
        import aiohttp
        import requests
        from fastapi import FastAPI

        app = FastAPI()
        URLS = {"pay": "https://pay.example"}

        @app.get("/aiohttp")
        async def with_aiohttp() -> str:
            timeout = aiohttp.ClientTimeout(total=0.2)
            try:
                async with aiohttp.ClientSession(timeout=timeout) as session:
                    async with session.get(URLS["pay"] + "/charge") as response:
                        return await response.text()
            except TimeoutError:
                return "late"

        @app.get("/requests")
        def with_requests() -> str:
            return requests.get(URLS["pay"] + "/charge", timeout=5).text
        """,
        test_it="""
        import app
        import pytest

        pytestmark = pytest.mark.asyncfastapi(app="app:app")

        @pytest.fixture
        async def server(upstream, monkeypatch):
            async with upstream.serve("https://pay.example") as server:
                monkeypatch.setitem(app.URLS, "pay", server.url)
                yield server

        @pytest.mark.parametrize("path", ["/aiohttp", "/requests"])
        async def test_paid(asgi_client, upstream, server, path):
            route = upstream.get("https://pay.example/charge").respond(text="paid")
            assert (await asgi_client.get(path)).json() == "paid"
            route.assert_called_once()

        @pytest.mark.faults("https://pay.example/*: latency=30s")
        async def test_late(asgi_client, upstream, server):
            upstream.get("https://pay.example/charge").respond(text="paid")
            assert (await asgi_client.get("/aiohttp")).json() == "late"

        @pytest.mark.faults("https://pay.example/*: latency=50ms")
        async def test_in_time(asgi_client, upstream, server):
            upstream.get("https://pay.example/charge").respond(text="paid")
            assert (await asgi_client.get("/aiohttp")).json() == "paid"

        async def test_unrouted(asgi_client, upstream, server):
            await asgi_client.get("/requests")
        """,
    )
    result = pytester.runpytest("-p", "no:asyncio")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*no route answers GET https://pay.example/charge (served)*"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"])
def test_aiohttp_makes_a_call_again_by_itself(upstream, scope, server, method):
    """Where a connection breaks: with all methods but POST and PATCH, as the page says."""
    upstream.route(host="pay.example").respond(200)
    scope.faults.on("*").empty_reply().first(1)
    if method in ("POST", "PATCH"):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            in_aiohttp(server.url, method)
        assert len(upstream.exchanges) == 1
    else:
        assert in_aiohttp(server.url, method)[0] == 200
        assert len(upstream.exchanges) == 2
