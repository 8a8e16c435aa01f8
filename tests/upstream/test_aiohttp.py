"""aiohttp's calls get the routes and the faults of `upstream`, over a transport in memory."""

import asyncio
import json
import re

import httpx
import pytest

from pytest_asyncfastapi import VirtualClock
from tests.upstream.wire_faults import FAULTS

aiohttp = pytest.importorskip("aiohttp")

BASE = "https://pay.example"
URL = BASE + "/charge"


def run(call, *, virtual=True):
    """Run `call(session)` on a fresh loop, in virtual time; returns what it returned."""

    async def main():
        clock = VirtualClock()
        if virtual:
            clock.install()
        try:
            async with aiohttp.ClientSession() as session:
                return await call(session)
        finally:
            clock.uninstall()

    return asyncio.run(main())


async def fetch(session, url=URL, method="GET", **options):
    async with session.request(method, url, **options) as response:
        return response.status, await response.read()


def test_routes_answer_by_method_query_and_body(upstream):
    """And the exchange names the line of the app, as with httpx."""
    upstream.post(URL, params={"a": "1"}, json={"amount": 3}).respond(201, json={"id": 7})

    async def call(session):
        return await fetch(session, URL, "POST", params={"a": "1"}, json={"amount": 3})

    status, body = run(call)
    assert (status, json.loads(body)) == (201, {"id": 7})
    upstream.assert_called_with("POST", URL, params={"a": "1"}, json={"amount": 3})
    (exchange,) = upstream.exchanges
    assert (exchange.library, exchange.status, exchange.error) == ("aiohttp", 201, "")
    assert (
        exchange.where.source == "async with session.request(method, url, **options) as response:"
    )
    assert exchange.ended is not None
    assert exchange.started <= exchange.head <= exchange.first_byte <= exchange.ended


def test_a_form_and_a_file_are_seen_by_the_route(upstream):
    """As multipart, by its fields."""
    upstream.post(URL).respond(204)

    async def call(session):
        form = aiohttp.FormData()
        form.add_field("kind", "invoice")
        form.add_field("file", b"%PDF", filename="a.pdf", content_type="application/pdf")
        return await fetch(session, URL, "POST", data=form)

    assert run(call) == (204, b"")
    upstream.assert_called_with(
        "POST", URL, data={"kind": "invoice"}, files={"file": ("a.pdf", b"%PDF")}
    )


def test_bodies_of_every_kind_arrive(upstream):
    """Chunked uploads, large ones, HEAD, compressed answers, and answers that are streamed."""
    echo = httpx.Response
    upstream.put(URL).mock(side_effect=lambda request: echo(200, content=request.content))
    upstream.head(URL).respond(200, headers={"content-length": "5"})

    async def pieces():
        for _ in range(3):
            yield b"x" * 100_000

    upstream.get(URL).mock(side_effect=lambda request: httpx.Response(200, content=pieces()))
    upstream.post(URL).respond(202)
    import gzip

    packed = {"content-encoding": "gzip"}
    upstream.patch(URL).respond(200, content=gzip.compress(b"plain"), headers=packed)

    async def call(session):
        large = b"y" * 1_000_000
        assert await fetch(session, URL, "PUT", data=large) == (200, large)
        assert await fetch(session, URL, "HEAD") == (200, b"")
        assert await fetch(session, URL) == (200, b"x" * 300_000)
        assert await fetch(session, URL, "POST", data=pieces()) == (202, b"")
        assert await fetch(session, URL, "PATCH") == (200, b"plain")

    run(call)
    assert [one.error for one in upstream.exchanges] == [""] * 5
    assert all(one.ended is not None for one in upstream.exchanges)


def test_an_un_routed_call_fails_the_test_where_it_was_made(scope, upstream):
    """With the nearest routes."""
    upstream.post(URL).respond(200)

    async def call(session):
        with pytest.raises(Exception, match="no route answers GET https://pay.example/charge"):
            await fetch(session)

    run(call)
    (finding,) = [one for one in scope.findings() if one.kind == "unrouted"]
    assert "(aiohttp)" in finding.title
    assert "the method is GET, the route wants POST" in finding.evidence
    assert finding.where.function == "fetch"


def test_a_near_server_without_a_route_is_left_alone(upstream, faults):
    """Loopback and private networks: who tests against a real service notices nothing."""
    from aiohttp import web
    from aiohttp.test_utils import TestServer

    upstream.get(URL).respond(200)
    faults.on("https://pay.example/*").status(503)

    async def hello(request):
        return web.Response(text="real")

    async def call(session):
        app = web.Application()
        app.router.add_get("/", hello)
        async with TestServer(app) as server:
            found = await fetch(session, str(server.make_url("/")))
            upstream.get(str(server.make_url("/routed"))).respond(200, text="mocked")
            return found, await fetch(session, str(server.make_url("/routed")))

    assert run(call, virtual=False) == ((200, b"real"), (200, b"mocked"))
    assert [exchange.url.rpartition("/")[2] for exchange in upstream.exchanges] == ["routed"]


def test_a_served_upstream_is_reached_over_its_socket(upstream):
    """By aiohttp too; the exchange is there once."""
    upstream.get(URL).respond(200, text="served")

    async def call(session):
        async with upstream.serve(BASE) as server:
            return await fetch(session, server.url + "/charge")

    assert run(call, virtual=False) == (200, b"served")
    assert [exchange.library for exchange in upstream.exchanges] == ["served"]


def test_a_redirect_is_followed_to_another_origin(upstream):
    """Each hop is a call."""
    upstream.get(URL).respond(302, headers={"location": "https://other.example/x"})
    upstream.get("https://other.example/x").respond(200, text="there")
    assert run(fetch) == (200, b"there")
    assert [exchange.status for exchange in upstream.exchanges] == [302, 200]


def test_connections_are_kept_and_the_limit_of_the_pool_holds(upstream, faults):
    """One connection for calls that follow each other; a second caller waits for it."""
    upstream.get(URL).respond(200, text="ok")
    faults.on("*").latency("1s")

    async def call(_):
        loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            began = loop.time()
            await fetch(session)
            ((kept, _),) = connector._conns[next(iter(connector._conns))]
            await asyncio.gather(fetch(session), fetch(session))
            ((still, _),) = connector._conns[next(iter(connector._conns))]
            return loop.time() - began, kept is still

    elapsed, same = run(call)
    assert 3.0 <= elapsed < 3.5
    assert same
    assert upstream.peak_in_flight == 1


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({"total": 5}, (5.0, 6.0)),
        ({"total": 4}, (4.0, 4.1)),
        ({"total": None, "sock_read": 2}, (2.0, 2.1)),
    ],
)
def test_its_own_timeout_ends_a_slow_answer(upstream, faults, limits, seconds):
    """On the virtual clock; above 5 s it rounds up to whole seconds of the loop's clock."""
    upstream.get(URL).respond(200)
    faults.on("*").latency("30s")

    async def call(session):
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TimeoutError):
            await fetch(session, timeout=aiohttp.ClientTimeout(**limits))
        return loop.time() - began

    least, most = seconds
    assert least <= run(call) <= most
    assert upstream.exchanges[0].error in ("TimeoutError", "SocketTimeoutError")


def test_a_call_without_any_timeout_is_reported(scope, upstream, faults):
    """Nothing would end it."""
    upstream.get(URL).respond(200)
    faults.on("*").read_timeout()

    async def call(session):
        with pytest.raises(Exception, match="no read timeout is set"):
            await fetch(session, timeout=aiohttp.ClientTimeout(total=None))

    run(call)
    (finding,) = scope.findings()
    assert finding.kind == "no-timeout"
    assert finding.remedy.startswith("aiohttp.ClientSession(timeout=")


def test_a_retry_meets_the_next_attempt(upstream, faults):
    """`first=1` spares the second call."""
    upstream.get(URL).respond(200, text="ok")
    faults.on("*").refused().first(1)

    async def call(session):
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(session)
        return await fetch(session)

    assert run(call) == (200, b"ok")


def test_a_cancelled_call_leaves_nothing(upstream, faults):
    """Its connection is closed, its task has ended."""
    upstream.get(URL).respond(200, text="ok")
    faults.on("*").stall(after_bytes=1)

    async def call(session):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await fetch(session)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks()), dict(session.connector._conns)

    assert run(call) == (1, {})
    (exchange,) = upstream.exchanges
    assert exchange.ended is not None


def test_nothing_of_aiohttp_stays_replaced(new_scope):
    """After the last scope."""
    from aiohttp import connector

    before = connector.BaseConnector.connect
    scope = new_scope()
    assert connector.BaseConnector.connect is not before
    scope.deactivate()
    assert connector.BaseConnector.connect is before


# What aiohttp makes of each fault: the same as over a real socket, where the same is played.

# A broken chunk is apart: on a socket it depends on what is read together.
SAME = [name for name in FAULTS if not name.startswith("bad chunk")]


@pytest.mark.parametrize("fault", SAME)
def test_it_is_the_same_as_on_a_real_socket(upstream, faults, fault):
    """By class and words, or by what was read."""
    upstream.get(URL).respond(200, json={"amount": 12})
    FAULTS[fault](faults.on(BASE + "/*"))

    async def outcome(session, base):
        try:
            timeout = aiohttp.ClientTimeout(total=1)
            async with session.get(base + "/charge", timeout=timeout) as response:
                return response.status, await response.read()
        except Exception as error:
            text = str(error).replace(base.removeprefix("http://"), "HOST")
            text = re.sub(r"\(\d+\)", "(N)", text)  # how many bytes were read at one time
            return type(error).__name__, text.partition(" ssl:")[0]

    async def real(session):
        async with upstream.serve(BASE) as server:
            return await outcome(session, server.url)

    async def in_memory(session):
        return await outcome(session, "http://pay.example")

    FAULTS[fault](faults.on("http://pay.example/*"))
    upstream.get("http://pay.example/charge").respond(200, json={"amount": 12})
    assert run(in_memory) == run(real, virtual=False)


@pytest.mark.parametrize("in_end", [False, True])
def test_a_broken_chunk_is_the_clients_own_error(upstream, faults, in_end):
    """On a socket aiohttp finds it only where it reads it together with the head."""
    upstream.get(URL).respond(200, json={"amount": 12})
    faults.on("*").bad_chunk(in_end=in_end)

    async def call(session):
        with pytest.raises((aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
            await fetch(session)

    run(call)


def test_a_refused_connection_is_the_same_as_a_real_one(upstream, faults):
    """By class and words."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    upstream.get(f"http://pay.example:{port}/charge").respond(200)
    faults.on("http://pay.example*").refused()

    async def outcome(session, host):
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await fetch(session, f"http://{host}:{port}/charge")
        error = caught.value.os_error
        return type(error).__name__, error.errno, str(caught.value).replace(host, "HOST")

    mocked = run(lambda session: outcome(session, "pay.example"))
    real = run(lambda session: outcome(session, "127.0.0.1"), virtual=False)
    assert mocked[:2] == real[:2]
    assert mocked[2].partition("[")[0] == real[2].partition("[")[0]
