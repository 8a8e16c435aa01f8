"""A client behind a SOCKS5 proxy meets its routes and its faults."""

import anyio
import httpx
import pytest

from pytest_asyncfastapi import NoTimeoutSet

pytest.importorskip("socksio")

SOCKS = "socks5://proxy.example:1080"
WITH_PASSWORD = "socks5://user:secret@proxy.example:1080"


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
