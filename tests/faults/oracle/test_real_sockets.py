"""Is the reference still true? Its rows again, against real loopback sockets.

Not a part of the suite (`nox -s oracle`, or `pytest tests/faults/oracle`): it really waits,
and a new version of a library may rightly change it. Times are lower bounds.
"""

import asyncio
import re
import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path

import certificates
import httpx
import httpx2
import pytest
import trio
import trustme
from loopback import Loopback, serve_ok
from misbehaviour import (
    HTTP2,
    HTTP2_OK,
    NO_TLS,
    PLAIN,
    SOCKS_OK,
    goes_away_gracefully,
    h2_bad_status,
    http2,
    says,
    socks,
)

ROWS = __import__("json").loads(
    (Path(__file__).parents[2] / "data" / "httpx_faults.json").read_text()
)
LIBRARIES = {"httpx": httpx, "httpx2": httpx2}
CERTIFICATES = (
    *("tls_untrusted", "tls_hostname_mismatch", "tls_truncated_body"),
    *("tls_not_yet_valid", "tls_self_signed", "tls_client_certificate", "tls_unknown_name"),
    "h2_not_offered",
)
NO_SERVER = (
    "connect_refused",
    "connect_refused_retries2",
    "connect_never_accepted",
    "proxy_refused",
)
ALONE = ("dns_nxdomain", "dns_temporary", "pool_exhausted", "unsupported_scheme")
NAMES = [*PLAIN, *NO_TLS, *HTTP2, *CERTIFICATES, *NO_SERVER, *ALONE]
CALLS = [
    (name, library, mode)
    for name in NAMES
    for library, modes in ROWS["faults"].get(name, {"results": {}})["results"].items()
    for mode in modes
]
GRACEFUL = "<ConnectionTerminated error_code:0, last_stream_id:1, additional_data:None>"
KEPT = ("type", "message", "request", "phase", "status", "bytes", "pool", "next")
# The rows of HTTP/2 were recorded without TLS, and are played here with it.
OVER_TLS = {("h2_head_stall", "sync"): "The read operation timed out"}
# Recorded after 0.2 s, which is how long that machine took to copy the body.
NO_WAIT = ("upload_rst",)
# A socket under load may be late by this much, and never early by more.
EARLY = 0.1


class Authorities:
    """A certificate authority that the client trusts, and one that it does not."""

    def __init__(self):
        self._trusted, self._unknown = trustme.CA(), trustme.CA()
        self.client = ssl.create_default_context()
        self._trusted.configure_trust(self.client)

    def server(self, name):
        host = "other.example" if name == "tls_hostname_mismatch" else "127.0.0.1"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate(name, host).configure_cert(context)
        if name in HTTP2:
            context.set_alpn_protocols(["h2"])
        elif name == "tls_client_certificate":
            context.verify_mode = ssl.CERT_REQUIRED
            self._trusted.configure_trust(context)
        elif name == "tls_unknown_name":
            alert = ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            context.sni_callback = lambda *_: alert
        return context

    def certificate(self, name, host):
        """What the server shows."""
        if name == "tls_self_signed":
            return certificates.made(host)
        if name == "tls_not_yet_valid":
            return certificates.made(host, self._trusted, days=30)
        authority = self._unknown if name == "tls_untrusted" else self._trusted
        return authority.issue_cert(host)


@pytest.fixture(scope="session")
def authorities():
    return Authorities()


def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


class Row:
    """One row as a server, a client's options, and a place to call."""

    def __init__(self, name, authorities, stack):
        self.name = name
        self.plain = stack.enter_context(Loopback())
        self.server = self.plain
        self.port = 0
        if name in PLAIN:
            serve = socks(b"\x05\x00", SOCKS_OK) if "socks" in name else None
            self.server = stack.enter_context(Loopback(PLAIN[name], serve=serve))
        elif name in NO_TLS:
            self.server = stack.enter_context(Loopback(NO_TLS[name]))
        elif name in HTTP2:
            context = authorities.server(name)
            self.server = stack.enter_context(
                Loopback(HTTP2[name], context=context, serve=HTTP2_OK)
            )
        elif name in CERTIFICATES:
            part = says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 10)
            if name != "tls_truncated_body":
                part = serve_ok
            context = authorities.server(name)
            self.server = stack.enter_context(Loopback(part, context=context))
        elif name == "connect_never_accepted":
            self.server = stack.enter_context(Loopback(accepts=False))
        self.port = closed_port() if "refused" in name else self.server.port
        if name in HTTP2:
            self.port = self.server.port
        self.verify = authorities.client

    @property
    def proxied(self):
        return self.name.startswith("proxy_")

    @property
    def url(self):
        if self.proxied:
            return (
                f"http{'' if 'plain' in self.name or 'socks' in self.name else 's'}://127.0.0.1:9/"
            )
        if self.name == "unsupported_scheme":
            return "ftp://127.0.0.1/"
        secure = self.name in {*HTTP2, *NO_TLS, *CERTIFICATES}
        host = "nowhere.example" if self.name.startswith("dns_") else "127.0.0.1"
        return f"http{'s' if secure else ''}://{host}:{self.port}/"

    @property
    def next_url(self):
        """Where the following call goes: to the same server, if that can answer it."""
        if self.name in (*HTTP2, *PLAIN, "h2_not_offered"):
            return self.url.replace("https", "http") if self.proxied else self.url
        return f"http://127.0.0.1:{self.plain.port}/"

    @property
    def made(self):
        return self.server.made if self.next_url == self.url or self.proxied else self.plain.made

    def options(self, library):
        budgets = dict(ROWS["meta"]["timeouts_s"])
        options = {"timeout": library.Timeout(**budgets), "trust_env": False, "verify": self.verify}
        if self.name in HTTP2 or self.name == "h2_not_offered":
            options["http2"] = True
        if self.name == "pool_exhausted":
            options["limits"] = library.Limits(max_connections=1)
        if self.proxied:
            kind = "socks5" if "socks" in self.name else "http"
            options["proxy"] = f"{kind}://127.0.0.1:{self.port}"
        return options

    def retries(self):
        found = re.search(r"retries(\d)", self.name)
        return int(found[1]) if found else 0

    def request(self):
        """Method, and what is sent; the upload is larger than what buffers hold."""
        if self.name.startswith(("upload_", "early_", "h2_upload_")):
            return "POST", {"content": b"u" * (64 * 2**20)}
        return "GET", {
            "no_timeout_head_slow": {"timeout": None},
            "redirect_loop": {"follow_redirects": True},
        }.get(self.name, {})


def name_of(error):
    kind = type(error)
    number = f"[{error.errno}]" if isinstance(error, OSError) and error.errno else ""
    return f"{kind.__module__}.{kind.__qualname__}{number}"


def states(client):
    pools = [client._transport, *client._mounts.values()]
    return [
        re.search(r"IDLE|ACTIVE|CLOSED|CONNECTION FAILED|CONNECTING", item.info())[0]
        for transport in pools
        if transport is not None
        for item in transport._pool.connections
    ]


def plain(message):
    """Without the port, and without the line in OpenSSL's wrapper, which Pythons differ in."""
    return re.sub(r":\d{5}|:PORT", ":PORT", re.sub(r"_ssl\.c:\d+", "_ssl.c", message))


def account(found, client, began, error, response):
    found["at_s"] = time.monotonic() - began
    if response is not None:
        found["status"] = response.status_code
    if error is not None:
        found["type"] = name_of(error)
        found["message"] = plain(str(error))
        found["request"] = getattr(error, "request", None) is not None
    found["pool"] = states(client)


async def over_async(row, library):
    options = row.options(library)
    if row.retries():
        options["transport"] = library.AsyncHTTPTransport(retries=row.retries())
    found = {"phase": "send", "bytes": 0}
    method, send = row.request()
    async with library.AsyncClient(**options) as client:
        if row.name.startswith("keepalive"):
            await client.get(row.url)
            await _async_sleep(0.05)
        held = None
        if row.name == "pool_exhausted":
            held = await client.send(client.build_request("GET", row.url), stream=True)
        error = response = None
        began = time.monotonic()
        try:
            async with client.stream(method, row.url, **send) as response:
                found["phase"] = "body"
                async for piece in response.aiter_bytes():
                    found["bytes"] += len(piece)
        except Exception as raised:  # two of asyncio's TLS and of socksio are none of the library
            error = raised
        account(found, client, began, error, response)
        if held is not None:
            await held.aclose()
        before = row.made
        try:
            await client.get(row.next_url)
        except Exception as error:
            found["next"] = {"ok": False, "error": repr(error)}
        else:
            found["next"] = {"ok": True, "new_connection": row.made > before}
    return found


async def _async_sleep(seconds):
    import anyio

    await anyio.sleep(seconds)


def over_sync(row, library):
    options = row.options(library)
    if row.retries():
        options["transport"] = library.HTTPTransport(retries=row.retries())
    found = {"phase": "send", "bytes": 0}
    method, send = row.request()
    with library.Client(**options) as client:
        if row.name.startswith("keepalive"):
            client.get(row.url)
            time.sleep(0.05)
        held = None
        if row.name == "pool_exhausted":
            held = client.send(client.build_request("GET", row.url), stream=True)
        error = response = None
        began = time.monotonic()
        try:
            with client.stream(method, row.url, **send) as response:
                found["phase"] = "body"
                for piece in response.iter_bytes():
                    found["bytes"] += len(piece)
        except Exception as raised:  # two of asyncio's TLS and of socksio are none of the library
            error = raised
        account(found, client, began, error, response)
        if held is not None:
            held.close()
        before = row.made
        try:
            client.get(row.next_url)
        except Exception as error:
            found["next"] = {"ok": False, "error": repr(error)}
        else:
            found["next"] = {"ok": True, "new_connection": row.made > before}
    return found


def no_such_name(monkeypatch, name):
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if name == "dns_temporary":
        error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    original = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if host in ("nowhere.example", b"nowhere.example"):
            raise error
        return original(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# Real sockets in real time: a busy machine may push a call over a budget that it would have
# kept: 1 of 1,233 runs beside two busy loops on two processors, 1 of 411 runs without them.
# A client certificate that is refused after the handshake races with the request: 1 of 48.
@pytest.mark.flaky(reruns=5)
# httpx leaves generators unfinished when a write or a decoding fails, and httpcore a socket.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("name", "library", "mode"), CALLS)
def test_the_reference_is_true(authorities, monkeypatch, name, library, mode):
    """Class, message, request, phase, status, bytes, pool and next call are the row's."""
    module = LIBRARIES[library]
    expected = ROWS["faults"][name]["results"][library][mode]
    with ExitStack() as stack:
        row = Row(name, authorities, stack)
        if name.startswith("dns_"):
            no_such_name(monkeypatch, name)
        if mode == "sync":
            found = over_sync(row, module)
        elif mode == "trio":
            found = trio.run(over_async, row, module)
        else:
            found = asyncio.run(over_async(row, module))
    took = found.pop("at_s")
    assert took > expected["at_s"] - EARLY or name in NO_WAIT
    row = {key: expected[key] for key in KEPT if key in expected}
    if "message" in row:
        row["message"] = plain(OVER_TLS.get((name, mode), row["message"]))
    # Some rows do not say how the next call went: their server could not be asked again.
    assert {key: found[key] for key in found if key in row or key != "next"} == row


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_status_that_is_no_number_is_a_bare_error(authorities, library):
    """What `bad_status_line` gives over HTTP/2, and no row has: no error of the library's own."""
    context = authorities.server("h2_fin")
    with Loopback(http2(h2_bad_status), context=context) as server:
        options = {"http2": True, "verify": authorities.client, "timeout": 5}
        with LIBRARIES[library].Client(**options) as client, pytest.raises(ValueError, match="abc"):
            client.get(f"https://127.0.0.1:{server.port}/")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_graceful_goaway(authorities, library):
    """The stream that is not served is sent again; the library gives up the one that is."""
    context = authorities.server("h2_fin")
    module = LIBRARIES[library]
    with Loopback(goes_away_gracefully, context=context, serve=HTTP2_OK) as server:

        async def call(client, after):
            await asyncio.sleep(after)
            try:
                return (await client.get(f"https://127.0.0.1:{server.port}/")).status_code
            except module.RemoteProtocolError as error:
                return str(error)

        async def both():
            async with module.AsyncClient(http2=True, verify=authorities.client) as client:
                return await asyncio.gather(call(client, 0), call(client, 0.1))

        found = asyncio.run(both())
        assert found == [GRACEFUL, 200]
        assert server.made == 2


def test_at_least_a_third_of_the_rows_is_here():
    """Of every kind, and none twice."""
    assert len(set(NAMES)) == len(NAMES) >= len(ROWS["faults"]) / 3
    assert {ROWS["faults"][name]["family"] for name in NAMES} == {
        row["family"] for row in ROWS["faults"].values()
    }


def test_the_pages_say_how_many_rows_are_here():
    """So many of so many."""
    for page in ("upstream", "architecture"):
        text = (Path(__file__).parents[3] / "docs" / f"{page}.md").read_text("utf-8")
        assert f"{len(NAMES)} of the {len(ROWS['faults'])} " in " ".join(text.split())
