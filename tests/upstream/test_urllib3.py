"""The calls of urllib3 and requests get the routes and the faults of `upstream`, over memory."""

import json
import socket

import httpx
import pytest

from tests.upstream.wire_faults import FAULTS

requests = pytest.importorskip("requests")
urllib3 = pytest.importorskip("urllib3")

BASE = "https://pay.example"
URL = BASE + "/charge"


def test_routes_answer_by_method_query_and_body(upstream):
    """And the exchange names the line of the app."""
    upstream.post(URL, params={"a": "1"}, json={"amount": 3}).respond(201, json={"id": 7})
    response = requests.post(URL, params={"a": "1"}, json={"amount": 3}, timeout=5)
    assert (response.status_code, response.json()) == (201, {"id": 7})
    upstream.assert_called_with("POST", URL, params={"a": "1"}, json={"amount": 3})
    (exchange,) = upstream.exchanges
    assert (exchange.library, exchange.status, exchange.error) == ("urllib3", 201, "")
    assert exchange.where.source.startswith("response = requests.post(URL, params=")
    assert exchange.started <= exchange.head <= exchange.first_byte <= exchange.ended


def test_bodies_of_every_kind_arrive(upstream):
    """Forms, files, chunked uploads, large ones, HEAD, compressed and streamed answers."""
    import gzip

    upstream.put(URL).mock(side_effect=lambda request: httpx.Response(200, content=request.content))
    upstream.head(URL).respond(200, headers={"content-length": "5"})
    upstream.get(URL).mock(side_effect=lambda _: httpx.Response(200, content=iter([b"x" * 9] * 9)))
    upstream.post(URL).respond(202)
    packed = {"content-encoding": "gzip"}
    upstream.patch(URL).respond(200, content=gzip.compress(b"plain"), headers=packed)
    with requests.Session() as session:
        large = b"y" * 1_000_000
        assert session.put(URL, data=large, timeout=5).content == large
        assert session.head(URL, timeout=5).headers["content-length"] == "5"
        with session.get(URL, stream=True, timeout=5) as response:
            assert b"".join(response.iter_content(7)) == b"x" * 81
        assert session.post(URL, data=iter([b"a", b"b"]), timeout=5).status_code == 202
        assert session.patch(URL, timeout=5).text == "plain"
        sent = session.post(URL, data={"kind": "x"}, files={"file": ("a.pdf", b"%PDF")}, timeout=5)
        assert sent.status_code == 202
    upstream.assert_called_with("POST", URL, data={"kind": "x"}, files={"file": ("a.pdf", b"%PDF")})
    assert [one.error for one in upstream.exchanges] == [""] * 6


def test_a_connection_is_kept(upstream):
    """By the pool of the session."""
    upstream.get(URL).respond(200, text="ok")
    with requests.Session() as session:
        for _ in range(5):
            assert session.get(URL, timeout=5).text == "ok"
        (pool,) = session.get_adapter(URL).poolmanager.pools._container.values()
        assert pool.num_connections == 1


def test_an_un_routed_call_fails_the_test_where_it_was_made(scope, upstream):
    """With the nearest routes."""
    upstream.post(URL).respond(200)
    with pytest.raises(Exception, match="no route answers GET https://pay.example/charge"):
        requests.get(URL, timeout=5)
    (finding,) = [one for one in scope.findings() if one.kind == "unrouted"]
    assert "(urllib3)" in finding.title
    assert "the method is GET, the route wants POST" in finding.evidence


def test_a_near_server_without_a_route_is_left_alone(upstream):
    """A served upstream, and any other on loopback."""
    upstream.get(URL).respond(200, text="served")
    with upstream.serve(BASE) as server:
        assert requests.get(server.url + "/charge", timeout=5).text == "served"
    assert [exchange.library for exchange in upstream.exchanges] == ["served"]


def test_a_retry_of_its_own_meets_the_next_attempt(upstream, faults):
    """Retry(connect=2): the third attempt to connect succeeds."""
    upstream.get(URL).respond(200, text="ok")
    faults.on("*").refused().first(2)
    with urllib3.PoolManager(retries=urllib3.Retry(connect=2, backoff_factor=0)) as pool:
        assert pool.request("GET", URL, timeout=5).data == b"ok"


def test_a_call_without_any_timeout_is_reported(scope, upstream, faults):
    """The most usual mistake with requests."""
    upstream.get(URL).respond(200)
    faults.on("*").read_timeout()
    with pytest.raises(Exception, match="no read timeout is set"):
        requests.get(URL)  # noqa: S113 - that is what the test is about
    (finding,) = scope.findings()
    assert finding.kind == "no-timeout"
    assert finding.remedy == "give the call a timeout: requests.get(..., timeout=5)"


def test_nothing_of_urllib3_stays_replaced(new_scope):
    """After the last scope."""
    from urllib3.util import connection

    before = connection.create_connection
    scope = new_scope()
    assert connection.create_connection is not before
    scope.deactivate()
    assert connection.create_connection is before


TLS = {
    "untrusted": "CERTIFICATE_VERIFY_FAILED",
    "hostname": "Hostname mismatch",
    "version": "TLSV1_ALERT_PROTOCOL_VERSION",
    "eof": "UNEXPECTED_EOF_WHILE_READING",
}


@pytest.mark.parametrize("kind", TLS)
def test_a_handshake_that_fails(upstream, faults, kind):
    """Is requests' own SSLError, in the words of OpenSSL."""
    upstream.get(URL).respond(200)
    faults.on("*").tls_error(kind)
    with pytest.raises(requests.exceptions.SSLError, match=TLS[kind]):
        requests.get(URL, timeout=1)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (lambda f: f.dns_error(), "ConnectionError", "Failed to resolve 'pay.example'"),
        (lambda f: f.connect_timeout(), "ConnectTimeout", "timed out. (connect timeout=0.2)"),
        (lambda f: f.refused(), "ConnectionError", "Connection refused"),
    ],
)
def test_a_connection_that_is_not_made(upstream, faults, fault, error, words):
    """Is the error that requests makes of it."""
    upstream.get(URL).respond(200)
    fault(faults.on("*"))
    with pytest.raises(getattr(requests.exceptions, error)) as caught:
        requests.get(URL, timeout=0.2)
    assert words in str(caught.value)
    assert upstream.exchanges[0].error in ("NameResolutionError", "ConnectTimeoutError") or (
        upstream.exchanges[0].error == "NewConnectionError"
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_the_same_as_on_a_real_socket(upstream, faults, fault):
    """By class and words, or by what was read."""
    upstream.get(URL).respond(200, json={"amount": 12})
    upstream.get("http://pay.example/charge").respond(200, json={"amount": 12})
    FAULTS[fault](faults.on(BASE + "/*"))
    FAULTS[fault](faults.on("http://pay.example/*"))

    def outcome(base):
        try:
            response = requests.get(base + "/charge", timeout=0.3)
        except requests.RequestException as error:
            host, port = httpx.URL(base).host, httpx.URL(base).port or 80
            text = str(error).replace(f"host='{host}', port={port}", "HOST")
            return type(error).__name__, text.partition("object at")[0]
        return response.status_code, response.content

    mocked = outcome("http://pay.example")
    with upstream.serve(BASE) as server:
        real = outcome(server.url)
    assert mocked == real


def test_the_words_of_a_refused_connection_are_those_of_a_real_one(upstream, faults):
    """But for the address."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    upstream.get(f"http://pay.example:{port}/").respond(200)
    faults.on("http://pay.example*").refused()

    def words(host):
        with pytest.raises(requests.ConnectionError) as caught:
            requests.get(f"http://{host}:{port}/", timeout=1)
        before, _, after = str(caught.value).replace(host, "HOST").partition(" at 0x")
        return (before, after.partition(">")[2]) if after else before

    assert words("pay.example") == words("127.0.0.1")


def test_an_endpoint_in_a_thread_is_answered(upstream):
    """As FastAPI runs a `def` endpoint."""
    import asyncio

    upstream.get(URL).respond(200, json={"n": 1})

    async def main():
        return await asyncio.to_thread(lambda: requests.get(URL, timeout=5).json())

    assert asyncio.run(main()) == json.loads('{"n": 1}')
