"""A client behind a proxy (SOCKS5, or HTTP by TLS) meets its routes and its faults."""

import asyncio

import aiohttp
import anyio
import httpx
import pytest
import requests

from pytest_asyncfastapi import NoTimeoutSet

pytest.importorskip("socksio")

BY_TLS = "https://secure-proxy.example:3128"
SOCKS = "socks5://proxy.example:1080"
WITH_PASSWORD = "socks5://user:secret@proxy.example:1080"
# Each client builds its TLS contexts on the loop, which takes up to 300 ms of CPU time.
pytestmark = pytest.mark.asyncfastapi(blocking="off")


def fetch(library, mode, url="https://up.example/", proxy=SOCKS, calls=1, **options):
    """Some calls on one client; the responses."""
    options |= {"proxy": proxy, "trust_env": False}
    if mode == "sync":
        with library.Client(**options) as client:
            return [client.get(url) for _ in range(calls)]

    async def run():
        async with library.AsyncClient(**options) as client:
            return [await client.get(url) for _ in range(calls)]

    return anyio.run(run, backend=mode)


def chain_of(error):
    """The texts of an error and of what caused it."""
    found = []
    while error is not None:
        found.append(str(error))
        error = error.__cause__ or error.__context__
    return found


@pytest.fixture(autouse=True)
def _route(scope):
    scope.router.route(host="up.example").respond(text="ok")


@pytest.mark.parametrize("proxy", [SOCKS, WITH_PASSWORD])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_fault_on_the_wire(scope, faults, library, mode, proxy, scheme):
    """Through the tunnel, on one connection, with and without TLS and a password."""
    faults.on("*").latency("1ms")
    first, second = fetch(library, mode, f"{scheme}://up.example/", proxy, calls=2)
    assert (first.text, second.text) == ("ok", "ok")
    assert scope.findings() == []


def test_http2_in_the_tunnel(faults, library):
    """Agreed on in the TLS handshake, behind the proxy."""
    faults.on("*").latency("1ms")
    (found,) = fetch(library, "sync", http2=True)
    assert (found.text, found.http_version) == ("ok", "HTTP/2")


@pytest.mark.parametrize(
    ("proxy", "kind", "said"),
    [
        (WITH_PASSWORD, 407, "Invalid username/password"),
        (SOCKS, 407, "NO ACCEPTABLE METHODS"),
        (SOCKS, 502, "Host unreachable"),
        (SOCKS, 504, "TTL expired"),
    ],
)
def test_a_socks_proxy_that_refuses(faults, library, mode, proxy, kind, said):
    """In its own words, as the library's ProxyError; the next attempt is served."""
    faults.on("*").proxy_error(kind).first(1)
    with pytest.raises(library.ProxyError, match=said):
        fetch(library, mode, proxy=proxy)
    assert fetch(library, mode, proxy=proxy)[0].text == "ok"


def test_a_socks_proxy_that_stalls(scope, faults, library, mode):
    """httpcore 1.0 has no timeout for the handshake, httpcore2 has."""
    faults.on("*").proxy_error("stall")
    if library is not httpx:
        with pytest.raises(library.ReadTimeout):
            fetch(library, mode, proxy=WITH_PASSWORD, timeout=0.05)
        return
    with pytest.raises(NoTimeoutSet, match=r"anyio\.fail_after\(5\) around the call"):
        fetch(library, mode, proxy=WITH_PASSWORD, timeout=0.05)
    (finding,) = scope.findings()
    assert finding.kind == "no-timeout"
    assert finding.title == (
        "no timeout covers the SOCKS5 handshake of GET https://up.example/: it would never end"
    )
    assert "client.get(url)" in finding.where.source


def test_a_server_behind_a_socks_proxy_that_stops_reading(faults, library, mode):
    """The proxy reads its handshake; what follows meets the client's write budget."""
    faults.on("*").write_timeout()
    with pytest.raises(library.WriteTimeout):
        fetch(library, mode, timeout=0.05)


def test_a_timeout_around_the_call_ends_a_socks_proxy_that_stalls(scope, faults):
    """The app's own bound, as the message says."""
    scope.patience = lambda: 60  # as under virtual time
    faults.on("*").proxy_error("stall")

    async def run():
        async with httpx.AsyncClient(proxy=SOCKS, trust_env=False) as client:
            with anyio.fail_after(0.05):
                await client.get("https://up.example/")

    with pytest.raises(TimeoutError):
        anyio.run(run)
    assert scope.findings() == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_with_the_proxy_fails(scope, faults, library, mode, scheme):
    """Before anything is asked of it; the next attempt is served."""
    faults.on("*").proxy_error("tls").first(1)
    url = f"{scheme}://up.example/"
    with pytest.raises(library.ConnectError) as caught:
        fetch(library, mode, url, BY_TLS)
    assert any("CERTIFICATE_VERIFY_FAILED" in text for text in chain_of(caught.value))
    assert fetch(library, mode, url, BY_TLS)[0].text == "ok"
    assert scope.findings() == []


def test_tls_faults_of_the_upstream_are_not_those_of_its_proxy(faults, library, mode):
    """The certificate that does not fit is the upstream's, in the tunnel."""
    faults.on("*").tls_error("hostname").first(1)
    with pytest.raises(library.ConnectError) as caught:
        fetch(library, mode, proxy=BY_TLS)
    chain = chain_of(caught.value)
    assert any("not valid for 'up.example'" in text for text in chain)
    assert not any("secure-proxy" in text for text in chain)
    assert fetch(library, mode, proxy=BY_TLS, calls=2)[1].text == "ok"


def test_http2_through_a_proxy_by_tls(faults, library):
    """HTTP/2 is agreed on with the upstream."""
    faults.on("*").latency("1ms")
    (found,) = fetch(library, "sync", proxy=BY_TLS, http2=True)
    assert (found.text, found.http_version) == ("ok", "HTTP/2")


def test_a_proxy_without_tls_has_no_handshake(scope, faults, library):
    """The fault is not counted, and the finding says why."""
    faults.on("*").proxy_error("tls")
    assert fetch(library, "sync", proxy="http://proxy.example:3128")[0].text == "ok"
    (finding,) = scope.findings()
    assert "the proxy is not https://" in finding.evidence


def test_a_proxy_that_refuses_aiohttp_and_requests(scope, faults):
    """It does not take the connection first: each client has an error of its own for that."""
    scope.router.route(host="up.example").respond(200)
    rule = faults.on("*").proxy_error("refused")

    async def by_aiohttp():
        async with aiohttp.ClientSession() as session:
            await session.post("http://up.example/a", proxy="http://proxy.example:3128")

    with pytest.raises(aiohttp.ClientProxyConnectionError, match="refused"):
        asyncio.run(by_aiohttp())
    with pytest.raises(requests.exceptions.ProxyError, match="[Rr]efused"):
        requests.post(
            "http://up.example/a", proxies={"http": "http://proxy.example:3128"}, timeout=5
        )
    assert rule.hits == 2
