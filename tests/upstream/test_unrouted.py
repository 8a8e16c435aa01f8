import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import httpx
import httpx2
import pytest

from pytest_asyncfastapi.activity import ACTIVITY
from pytest_asyncfastapi.upstream.errors import UnroutedCall

URL = "https://pay.example/charge"


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"real")

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_an_unrouted_call_says_what_where_why_and_what_to_write(scope, upstream):
    """The message has the request, the app's line, the nearest routes and the line to write."""
    upstream.get(URL).respond(200)
    upstream.post("https://pay.example/refund").respond(200)
    upstream.post("https://mail.example/send").respond(200)
    with pytest.raises(UnroutedCall) as caught:
        httpx.post(URL, json={})
    text = str(caught.value)
    assert "no route answers POST https://pay.example/charge (httpx)" in text
    assert "tests/upstream/test_unrouted.py:" in text
    assert "httpx.post(URL, json={})" in text
    near = [line.strip() for line in text.splitlines() if line.startswith("  - ")]
    assert near == [
        "- GET https://pay.example/charge: the method is POST, the route wants GET",
        "- POST https://pay.example/refund: the path is /charge, the route wants /refund",
        "- POST https://mail.example/send: the host is pay.example, the route wants "
        "mail.example; the path is /charge, the route wants /send",
    ]
    assert "because the test would reach the real network" in text
    assert 'write: upstream.post("https://pay.example/charge").respond(json={...})' in text


@pytest.mark.parametrize(
    ("lookups", "reason"),
    [
        ({"url": URL, "params": {"page": "1"}}, "the params are page=2, the route wants page=1"),
        ({"url": URL, "headers": {"x-key": "secret"}}, "headers do not have what the route wants"),
        ({"url": URL, "json": {"a": 1}}, "the json of the body differs"),
        ({"host": "pay.example", "scheme": "http"}, "the scheme is https, the route wants http"),
        ({"path__regex": "/refund"}, "the path is /charge, the route wants ~/refund"),
    ],
)
def test_each_near_miss_gives_its_reason(upstream, lookups, reason):
    """Params, headers, body, scheme and regex each say why they did not match."""
    upstream.route(**lookups)
    with pytest.raises(UnroutedCall) as caught:
        httpx.get(URL, params={"page": 2})
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


def test_degrade_code_does_not_eat_it(upstream, library):
    """`except HTTPError` of the app lets an un-routed call through to the test."""

    async def app():
        async with library.AsyncClient() as client:
            try:
                await client.get(URL)
            except (httpx.HTTPError, httpx2.HTTPError):
                return "degraded"

    with pytest.raises(UnroutedCall):
        asyncio.run(app())


def test_a_swallowed_call_is_still_found(scope, upstream):
    """What the app swallows is a finding at the end, at the app's line."""

    async def app():
        async with httpx.AsyncClient() as client:
            try:
                await client.delete(URL)
            except Exception:
                pass

    ACTIVITY.set("POST /checkout")
    asyncio.run(app())
    ACTIVITY.set("")
    (finding,) = scope.findings(passed=False)
    assert (finding.kind, finding.severity) == ("unrouted", "error")
    assert finding.where is not None
    assert finding.where.source == "await client.delete(URL)"
    assert finding.activity == "POST /checkout"
    assert finding.remedy == f'upstream.delete("{URL}").respond(json={{...}})'
    assert finding.test == "tests::here"


def test_a_route_that_declined_is_named(upstream):
    """When every matching route declines, the message says that it did."""
    upstream.get(URL).mock(side_effect=lambda request: None)
    with pytest.raises(UnroutedCall, match="its side effect returned None"):
        httpx.get(URL)


@pytest.mark.parametrize(("policy", "kinds"), [("pass", []), ("warn", ["warning"])])
def test_the_policy_can_let_it_go(new_scope, server, policy, kinds):
    """`pass` and `warn` reach the real network; `warn` leaves a warning."""
    scope = new_scope(unrouted=policy)
    assert httpx.get(server).text == "real"
    assert [item.severity for item in scope.findings()] == kinds


def test_passthrough_hosts_pass(new_scope, server):
    """A host that is let through needs no route, and others still fail."""
    scope = new_scope(passthrough=("127.0.0.1",))
    assert httpx.get(server).text == "real"
    with pytest.raises(UnroutedCall):
        httpx.get(URL)
    assert len(scope.findings()) == 1


def test_a_pass_through_route_passes(upstream, server):
    """respx's own pass_through() on a route works."""
    route = upstream.get(server).pass_through()
    assert httpx.get(server).text == "real"
    assert route.called


@pytest.mark.parametrize("after_the_scope", [False, True])
def test_a_real_call_never_uses_an_in_memory_connection(
    new_scope, server, library, mode, after_the_scope
):
    """One client, one origin, in-memory and real calls in turn: each goes its own way."""
    scope = new_scope(unrouted="pass")
    scope.router.get(server + "mock").respond(text="mock")
    scope.faults.on(server + "mock").latency(0.001)
    paths = ["mock", "", "mock", ""]
    if after_the_scope:
        paths = ["mock", "mock", None, ""]

    def sync():
        with library.Client() as client:
            for path in paths:
                if path is None:
                    scope.deactivate()
                else:
                    yield client.get(server + path).text

    async def call():
        texts = []
        async with library.AsyncClient() as client:
            for path in paths:
                if path is None:
                    scope.deactivate()
                else:
                    texts.append((await client.get(server + path)).text)
        return texts

    texts = list(sync()) if mode == "sync" else anyio.run(call, backend=mode)
    assert texts == ["real" if path == "" else "mock" for path in paths if path is not None]


def test_without_a_router_calls_are_left_alone(new_scope):
    """A test that did not ask for the fixture reaches the network as before."""
    new_scope(router=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")


def test_a_wrong_policy_is_refused(new_scope):
    """A policy that does not exist is refused with the three that do."""
    with pytest.raises(ValueError, match="'fail', 'pass' or 'warn', not 'ignore'"):
        new_scope(unrouted="ignore")


def test_a_route_never_called_is_found(scope, upstream):
    """An unused route is a finding of a passed test, at the line that added it."""
    upstream.get(URL).respond(200)
    upstream.get(URL + "/used").respond(200)
    httpx.get(URL + "/used")
    (finding,) = scope.findings()
    assert (finding.kind, finding.title) == ("unused-route", f"route never called: GET {URL}")
    assert finding.where is not None
    assert "upstream.get(URL).respond(200)" in finding.where.source
    assert scope.findings(passed=False) == []
    upstream.allow_unused_routes = True
    assert scope.findings() == []


def test_a_route_that_a_fault_covered_is_used(scope, upstream, faults):
    """A call that a fault answers counts for the route behind it."""
    upstream.get(URL).respond(200)
    faults.on(URL).refused()
    with pytest.raises(httpx.ConnectError):
        httpx.get(URL)
    assert scope.findings() == []
