"""A client behind a SOCKS5 proxy meets its routes and its faults."""

import anyio
import pytest

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
