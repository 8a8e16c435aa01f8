"""What a client's transport retries meet: each attempt to connect counts, the request once."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from pytest_asyncfastapi._clock import VirtualClock

URL = "https://pay.example/charge"


def fetch(library, mode, url=URL, *, retries=2, **options):
    if mode == "sync":
        transport = library.HTTPTransport(retries=retries, **options)
        with library.Client(transport=transport, timeout=5) as client:
            return client.get(url)

    async def call():
        transport = library.AsyncHTTPTransport(retries=retries, **options)
        async with library.AsyncClient(transport=transport, timeout=5) as client:
            return await client.get(url)

    return anyio.run(call, backend=mode)


@pytest.mark.parametrize("fault", ["refused", "dns_error", "tls_error=expired"])
@pytest.mark.parametrize("http2", [False, True])
def test_a_retry_succeeds_when_the_first_attempt_alone_is_struck(
    scope, faults, library, mode, fault, http2
):
    """`refused, first=1` against `retries=2`: the second attempt connects, as on a real socket."""
    route = scope.router.get(URL).respond(text="done")
    rule = faults._add_spec(f"*: {fault}, first=1")
    assert fetch(library, mode, http2=http2).text == "done"
    assert (rule.hits, rule.seen) == (1, 2)
    assert route.call_count == 1
    assert len(rule.fired) == 1
    assert scope.findings() == []


def test_when_attempts_run_out_the_error_is_raised(scope, faults, library, mode):
    """Three attempts, three refusals; a fourth would have connected."""
    scope.router.get(URL).respond(200)
    rule = faults.on("*").refused().first(3)
    with pytest.raises(library.ConnectError):
        fetch(library, mode)
    assert rule.hits == 3
    assert scope.router.exchanges[0].error == "ConnectError"


def test_a_request_counts_once_for_every_other_fault(scope, faults, library):
    """The status strikes the first request only, although that took two attempts."""
    scope.router.get(URL).respond(200)
    faults.on("*").refused().first(1)
    late = faults.on("*").latency("1ms")
    status = faults.on("*").status(503).first(1)
    assert fetch(library, "sync").status_code == 503
    assert fetch(library, "sync").status_code == 200
    assert (status.seen, status.hits, late.seen, late.hits) == (2, 1, 2, 2)
    assert scope.findings() == []


def test_an_outage_ends_while_the_client_backs_off(scope, faults, library):
    """Refused for the first 0.7 s: attempts at 0, 0 and 0.5 s fail, the one at 1.5 s connects."""
    scope.router.get(URL).respond(text="done")
    rule = faults.on("*").refused().between(0, 0.7)

    async def run():
        clock = VirtualClock()
        clock.install()
        try:
            transport = library.AsyncHTTPTransport(retries=3)
            async with library.AsyncClient(transport=transport) as client:
                began = clock.elapsed
                # What it took to get here does not count.
                faults._restart(None, asyncio.get_running_loop().time())
                response = await client.get(URL)
                return response.text, clock.elapsed - began
        finally:
            clock.uninstall()

    assert asyncio.run(run()) == ("done", 1.5)
    assert rule.hits == 3


def test_a_retry_without_a_route_is_an_unrouted_call(scope, faults, library, mode):
    """The connection stands at the second attempt, and then there must be an answer."""
    from pytest_asyncfastapi._upstream.errors import UnroutedCall

    faults.on("*").refused().first(1)
    with pytest.raises(UnroutedCall, match=r"test_attempts\.py:"):
        fetch(library, mode)
    assert [finding.kind for finding in scope.findings()] == ["unrouted"]


def test_a_retry_may_stall_without_a_budget(scope, faults, library):
    """A stall that only the second attempt meets is found like any other."""
    from pytest_asyncfastapi._faults import NoTimeoutSet

    faults.on("*").refused().first(1)
    faults.on("*").connect_timeout()
    transport = library.HTTPTransport(retries=1)
    with library.Client(transport=transport, timeout=None) as client:
        with pytest.raises(NoTimeoutSet):
            client.get(URL)


class Real(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"real")

    def log_message(self, *args):
        pass


def test_a_retry_reaches_the_real_network_where_the_call_goes_there(new_scope, library, mode):
    """Refused once, in a suite without routes: the second attempt is the client's own, in full."""
    scope = new_scope(router=False)
    rule = scope.faults.on("*").refused().first(1)
    with ThreadingHTTPServer(("127.0.0.1", 0), Real) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            limits = library.Limits(max_connections=1)
            assert fetch(library, mode, url, limits=limits).text == "real"
        finally:
            server.shutdown()
            thread.join()
    assert rule.hits == 1


# A call is in flight until its response is closed.


def test_concurrency_counts_until_the_response_is_closed(scope, faults, library):
    """A response that is still being read takes its place; once closed, it is free again."""
    scope.router.get(URL).respond(text="body")
    faults.on("*").status(429).concurrency(1)

    async def run():
        async with library.AsyncClient() as client:
            async with client.stream("GET", URL):
                inside = await client.get(URL)
            after = await client.get(URL)
            again = await client.get(URL)
            return inside.status_code, after.status_code, after.text, again.status_code

    assert asyncio.run(run()) == (429, 200, "body", 200)


def test_concurrency_counts_for_a_sync_client_too(scope, faults, library):
    """The same, with a body that comes over the wire, and one that is left unread."""
    scope.router.get(URL).respond(content=b"x" * 100_000)
    faults.on("*").latency("1ms")
    faults.on("*").status(429).concurrency(1)
    with library.Client() as client:
        with client.stream("GET", URL) as open_one:
            pieces = open_one.iter_raw(10)
            next(pieces)
            assert client.get(URL).status_code == 429
        assert client.get(URL).status_code == 200
        assert len(client.get(URL).content) == 100_000


def test_a_call_that_fails_is_no_longer_in_flight(scope, faults, library, mode):
    """An error, in the head or in the body, gives the place back."""
    scope.router.get(URL).respond(content=b"x" * 100)
    faults.on("*").reset().first(1)
    faults.on("*").reset(after_bytes=10).first(1)
    rule = faults.on("*").status(429).concurrency(1).optional()
    for _ in range(2):
        with pytest.raises(library.ReadError):
            fetch(library, mode)
    assert fetch(library, mode).status_code == 200
    assert rule.hits == 0
