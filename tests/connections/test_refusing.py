"""The public network is refused in tests with our fixtures, whatever opens the connection."""

import socket
import sys

import pytest

from pytest_asyncfastapi._connections import network_policy
from tests import pages

pytest.importorskip("trio")

APP = """
    import asyncio, socket, urllib.request
    import anyio
    import httpx
    from fastapi import FastAPI, HTTPException

    app = FastAPI()

    def swallow(call):
        try:
            call()
        except OSError as error:
            return str(error)

    @app.get("/address")
    async def address():
        try:
            await anyio.connect_tcp("93.184.216.34", 9042)
        except OSError:
            raise HTTPException(503) from None

    @app.get("/name")
    async def name():
        try:
            await anyio.connect_tcp("db.corp.example", 5432)
        except OSError:
            raise HTTPException(503) from None

    @app.get("/thread")
    def thread():
        return swallow(lambda: urllib.request.urlopen("https://api.pay.example/rates", timeout=5))

    @app.get("/httpx")
    async def with_httpx():
        async with httpx.AsyncClient() as client:
            try:
                await client.get("https://api.pay.example/rates")
            except httpx.ConnectError as error:
                return str(error)

    @app.get("/near")
    async def near():
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            for host in ("127.0.0.1", "localhost"):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("93.184.216.34", 80))  # sends nothing
        return "ok"
"""


# Every name is this machine, where nothing listens on such ports; not a line of the user's.
RESOLVE = """
def resolve(host, port, *args, **how):
    if str(host).endswith(".example"):
        sys.audit("socket.getaddrinfo", host, port, 0, 0, 0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    return stock(host, port, *args, **how)
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """What is known of names: one is in a private network, the other is not."""
    known = {"db.corp.example": ("10.0.0.7",), "api.pay.example": ()}
    monkeypatch.setattr(network_policy, "_resolved", known)
    space = {"sys": sys, "socket": socket, "stock": socket.getaddrinfo}
    exec(RESOLVE, space)
    monkeypatch.setattr(socket, "getaddrinfo", space["resolve"])
    pytester.makepyfile(shop=APP)
    pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\nfilterwarnings = error")
    pytester.syspathinsert()
    return pytester


def findings(result, name):
    reports = [one for one in result.getreports() if one.when == "call" and name in one.nodeid]
    return [(report.outcome, str(report.longrepr)) for report in reports]


def test_each_kind_of_connection_is_refused_with_its_line(project):
    """By an address, by a name, in a thread, through an HTTP client; the app swallows them all."""
    project.makepyfile(
        """
        import pytest

        @pytest.mark.anyio
        @pytest.mark.parametrize("path", ["address", "thread", "httpx"])
        async def test_refused(asgi_client, path):
            await asgi_client.get("/" + path)

        async def test_near(asgi_client):
            assert (await asgi_client.get("/near")).json() == "ok"
            await asgi_client.get("/name")
        """
    )
    result = project.inline_run("-p", "no:cacheprovider")
    lines = {
        "address": ("93.184.216.34:9042", "await anyio.connect_tcp(", "loopback"),
        "thread": ("api.pay.example:443", "urlopen(", 'upstream.get("https://api.pay.example/'),
        "httpx": ("api.pay.example:443", "client.get(", 'upstream.get("https://api.pay.example/'),
    }
    for name, (place, source, remedy) in lines.items():
        for outcome, text in findings(result, f"{name}]"):  # on asyncio, and on trio
            assert outcome == "failed"
            for part in (f"a connection to {place} was refused", source, remedy):
                assert part in text
            assert "asyncfastapi_passthrough" in text
    *_, block = pages.blocks("docs/connections.md", "text")
    shown = [line.strip() for line in block.text.splitlines() if "where  " not in line]
    for _, text in findings(result, "httpx]"):
        assert [line for line in shown if line not in text] == []
    assert findings(result, "near") == [("passed", "None")]


@pytest.mark.parametrize(
    "flag",
    [
        "--asyncfastapi-network=warn",
        "--asyncfastapi-passthrough=api.pay.example",
        "--asyncfastapi-unrouted=pass",
    ],
)
def test_how_it_is_allowed(project, flag):
    project.makepyfile(
        """
        async def test_here(asgi_client):
            await asgi_client.get("/httpx")
        """
    )
    result = project.runpytest_inprocess("-p", "no:cacheprovider", flag)
    result.assert_outcomes(passed=1)
    warned = "the test connects to api.pay.example:443" in result.stdout.str()
    assert warned is ("warn" in flag)


def test_a_wrong_value(project):
    project.makepyfile("def test_nothing(): pass")
    result = project.runpytest_inprocess("--asyncfastapi-network=deny")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--asyncfastapi-network: 'deny' *refuse, warn*"])


def test_who_has_none_of_our_fixtures_notices_nothing(project):
    """Nor a fixture that lasts longer than the test; a library's own thread is a warning."""
    project.makepyfile(
        """
        import socket
        import sys
        import pytest

        def connect():
            with socket.socket() as sock:
                try:
                    sys.audit("socket.connect", sock, ("93.184.216.34", 9))
                except OSError as error:
                    return type(error).__name__

        async def test_plain():
            assert connect() != "NetworkRefused"

        @pytest.fixture(scope="module")
        def model():
            return connect()

        async def test_with_a_wide_fixture(asgi_client, model):
            assert model != "NetworkRefused"

        async def test_after(clock):
            assert connect() == "NetworkRefused"
        """
    )
    result = project.inline_run("-p", "no:cacheprovider", "--asyncfastapi-blocking=off")
    passed, _, failed = result.listoutcomes()
    assert [one.nodeid.partition("::")[2] for one in passed] == [
        "test_plain",
        "test_with_a_wide_fixture",
    ]
    (only,) = failed
    assert "a connection to 93.184.216.34:9 was refused" in str(only.longrepr)
