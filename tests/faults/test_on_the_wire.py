import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import httpx
import pytest
import respx

from pytest_asyncfastapi._clock import VirtualClock
from pytest_asyncfastapi._faults import NoTimeoutSet

URL = "https://pay.example/charge"


def fetch(library, mode, url=URL, **options):
    if mode == "sync":
        with library.Client(**options) as client:
            return client.get(url)

    client = library.AsyncClient(**options)  # not in the loop: it reads certificates

    async def call():
        async with client:
            return await client.get(url)

    return anyio.run(call, backend=mode)


def test_latency_within_the_budget_delays_the_answer(scope, faults, library, mode):
    """The normal answer comes after the delay, over the client's own pool."""
    scope.router.get(URL).respond(json={"a": 1})
    rule = faults.on(URL).latency("60ms")
    began = time.monotonic()
    response = fetch(library, mode, timeout=30)
    assert time.monotonic() - began > 0.05
    assert type(response) is library.Response
    assert response.json() == {"a": 1}
    assert response.reason_phrase == "OK"
    assert rule.hits == 1
    assert scope.findings() == []


def test_a_timeout_comes_at_exactly_the_budget_in_virtual_time(scope, faults, library):
    """30 s of latency against a budget of 5 s is a ReadTimeout at 5.0 s, in no wall time."""
    scope.router.get(URL).respond(200)
    faults.on(URL).latency("30s").first(1)
    faults.on(URL).latency("3s")

    async def app():
        clock = VirtualClock()
        clock.install()
        try:
            async with library.AsyncClient(timeout=5) as client:
                faults_at = []
                with pytest.raises(library.ReadTimeout):
                    await client.get(URL)
                faults_at.append(clock.elapsed)
                await client.get(URL)
                faults_at.append(clock.elapsed)
                return faults_at
        finally:
            clock.uninstall()

    began = time.monotonic()
    assert asyncio.run(app()) == [5.0, 8.0]
    assert time.monotonic() - began < 30
    failed, answered = scope.router.exchanges
    assert (failed.duration, answered.duration) == (5.0, 3.0)


def test_first_two_time_out_then_it_works(scope, faults, library, mode):
    """A retry loop of the app sees two genuine timeouts, then the answer."""
    scope.router.get(URL).respond(text="done")
    rule = faults.on(URL).read_timeout().first(2)
    for _ in range(2):
        with pytest.raises(library.ReadTimeout):
            fetch(library, mode, timeout=library.Timeout(30, read=0.03))
    assert fetch(library, mode, timeout=30).text == "done"
    assert [(hit.budget, hit.limit) for hit in rule.fired] == [("read", 0.03)] * 2
    assert [item.error for item in scope.router.exchanges] == ["ReadTimeout", "ReadTimeout", ""]
    assert scope.router.exchanges[0].fault == f"{URL}: read_timeout, first=2"


@pytest.mark.parametrize(
    ("verb", "phase"),
    [("read_timeout", "read"), ("connect_timeout", "connect"), ("pool_timeout", "pool")],
)
def test_without_a_budget_the_test_says_so(scope, faults, library, mode, verb, phase):
    """A stall that nothing would ever end fails at once, at the app's line."""
    getattr(faults.on(URL), verb)()
    timeout = library.Timeout(5, **{phase: None})
    began = time.monotonic()
    with pytest.raises(NoTimeoutSet) as caught:
        fetch(library, mode, timeout=timeout)
    assert time.monotonic() - began < 30
    assert not isinstance(caught.value, library.HTTPError)
    text = str(caught.value)
    assert f"no {phase} timeout is set on this call at tests/faults/test_on_the_wire.py:" in text
    assert "it would never end" in text
    (finding,) = scope.findings()
    assert f"  write: {finding.remedy}" in text
    assert finding.remedy.startswith(
        f"{library.__name__}.Timeout(5.0)"
        if phase == "pool"
        else f"leave timeout=None out ({library.__name__}'s own limit is 5 s)"
    )
    assert finding.kind == "no-timeout"
    assert finding.where is not None
    assert "client.get(url)" in finding.where.source


def test_a_sync_timeout_over_tls_has_the_words_of_openssl(scope, faults, library):
    """A TLS socket names the operation; a plain one does not."""
    faults.on("*").read_timeout().first(2)
    faults.on("*").write_timeout()
    found = []
    for url in (URL, URL.replace("https", "http"), URL):
        with pytest.raises(library.TimeoutException) as caught:
            fetch(library, "sync", url, timeout=0.03)
        found.append(str(caught.value))
    assert found == ["The read operation timed out", "timed out", "The write operation timed out"]


def test_a_latency_needs_no_budget(scope, faults, mode, library):
    """A delay ends by itself, so a client without a timeout is served."""
    scope.router.get(URL).respond(text="late")
    faults.on(URL).latency(0.02)
    assert fetch(library, mode, timeout=None).text == "late"


def test_a_status_after_a_latency(scope, faults, library, mode):
    """Two rules compose: first the wait, then the status."""
    faults.on(URL).latency("60ms")
    faults.on(URL).status(429, retry_after=3)
    began = time.monotonic()
    response = fetch(library, mode)
    assert time.monotonic() - began > 0.05
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")


def test_a_slow_body_is_bounded_by_each_read(scope, faults, library):
    """A stalled body is a ReadTimeout while it is read, after the head has come."""

    async def chunks():
        yield b"one"
        await anyio.sleep(5)
        yield b"two"

    scope.router.get(URL).respond(content=chunks())
    faults.on(URL).latency(0.001)

    async def app():
        async with library.AsyncClient(timeout=0.05) as client:
            async with client.stream("GET", URL) as response:
                status = response.status_code
                with pytest.raises(library.ReadTimeout):
                    await response.aread()
            return status, client._transport._pool.connections

    assert asyncio.run(app()) == (200, [])


def test_connection_faults_drop_a_kept_connection(scope, faults, library, mode):
    """`refused` strikes even where an earlier call left a connection in the pool."""
    scope.router.get(URL).respond(200)
    faults.on(URL).latency(0.001).first(1)
    if mode == "sync":
        with library.Client() as client:
            client.get(URL)
            faults.on(URL).refused()
            with pytest.raises(library.ConnectError):
                client.get(URL)
        return

    async def app():
        async with library.AsyncClient() as client:
            await client.get(URL)
            assert len(client._transport._pool.connections) == 1
            faults.on(URL).refused()
            with pytest.raises(library.ConnectError):
                await client.get(URL)

    anyio.run(app, backend=mode)


def test_transport_retries_are_real(scope, faults):
    """The client's own transport retries run: refused twice more, with backoff."""
    faults.on(URL).refused()
    began = time.monotonic()
    with pytest.raises(httpx.ConnectError):
        with httpx.Client(transport=httpx.HTTPTransport(retries=2)) as client:
            client.get(URL)
    assert time.monotonic() - began > 0.4


def test_latency_over_a_call_that_respx_mocks(new_scope, mode):
    """A suite with respx's own mock under a latency fault still gets respx's answer."""
    scope = new_scope(router=False)
    rule = scope.faults._add_spec("*: latency=60ms", optional=True, origin="--asyncfastapi-fault")
    with respx.mock() as mock:
        route = mock.get(URL).respond(json={"from": "respx"})
        began = time.monotonic()
        assert fetch(httpx, mode, timeout=30).json() == {"from": "respx"}
        assert time.monotonic() - began > 0.05
        assert route.call_count == 1
        with pytest.raises(httpx.ReadTimeout):
            fetch(httpx, mode, timeout=0.03)
    assert rule.hits == 2
    assert route.call_count == 1


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        ("refused", httpx.ConnectError),
        ("reset", httpx.ReadError),
        ("connect_timeout", httpx.ConnectTimeout),
        ("read_timeout", httpx.ReadTimeout),
        ("pool_timeout", httpx.PoolTimeout),
        ("empty_reply", httpx.RemoteProtocolError),
    ],
)
def test_wire_faults_over_a_call_that_respx_mocks(new_scope, mode, verb, error):
    """Every wire fault reaches a suite whose calls respx answers."""
    scope = new_scope(router=False)
    getattr(scope.faults.on("*"), verb)()
    with respx.mock(assert_all_called=False) as mock:
        mock.get(URL).respond(200)
        # The machine may be busy: only a timeout may come this early.
        patience = 0.03 if issubclass(error, httpx.TimeoutException) else 30
        with pytest.raises(error) as caught:
            fetch(httpx, mode, timeout=patience)
    assert caught.value.request.url == URL


def test_latency_before_the_real_network(new_scope, library, mode):
    """Without a router the real upstream answers after the delay, on one connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"real")

        def log_message(self, *args):
            pass

    scope = new_scope(router=False)
    scope.faults.on("*").latency("30ms")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            limits = library.Limits(max_connections=1)
            began = time.monotonic()
            assert fetch(library, mode, url, limits=limits, timeout=2).text == "real"
            assert time.monotonic() - began > 0.025
        finally:
            server.shutdown()
            thread.join()


def test_a_probability_gives_the_same_run_again(new_scope):
    """The same seed strikes the same calls of a whole run, another seed others."""

    def run(seed):
        scope = new_scope(seed=seed)
        scope.router.get(URL).respond(200)
        scope.faults.on(URL).status(503).probability(0.5)
        with httpx.Client() as client:
            found = [client.get(URL).status_code for _ in range(12)]
        scope.deactivate()
        return found

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_an_unused_fault_points_at_its_line(scope, faults):
    """A fault that never hit is found at the line of the test that added it."""
    faults.on("https://nobody/*").refused()
    (finding,) = scope.findings()
    assert finding.kind == "unused-fault"
    assert finding.where is not None
    assert finding.where.source == 'faults.on("https://nobody/*").refused()'
    assert scope.findings(passed=False) == []
