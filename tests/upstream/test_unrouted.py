import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import ANY

import anyio
import httpx
import httpx2
import pytest

from pytest_asyncfastapi._core.activity import ACTIVITY
from pytest_asyncfastapi._upstream.errors import UnroutedCall

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
    with pytest.raises(ValueError, match="unrouted='ignore' must be one of fail, pass, warn"):
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


@pytest.mark.parametrize(
    ("wants", "sent", "differs"),
    [
        (
            {"json": {"cents": 5, "to": "ann"}},
            {"json": {"cents": 6, "iban": "x"}},
            "json['cents']: sent 6, expected 5; json['to']: not sent, expected 'ann'; "
            "json['iban']: sent 'x', not expected",
        ),
        ({"json__to__0": "ann"}, {"json": {"to": ["bob"]}}, "sent 'bob', expected 'ann'"),
        ({"json__to": "ann"}, {"json": {"of": 1}}, "json['to']: not sent, expected 'ann'"),
        ({"json": {"a": ANY}}, {"json": {}}, "json['a']: not sent, expected <ANY>"),
        ({"json": {}}, {"content": b"{"}, "the body is not JSON"),
        ({"data": {"a": "1"}}, {"data": {"a": "2"}}, "data['a']: sent '2', expected '1'"),
        ({"content": b"ab"}, {"content": b"ac"}, "wants: sent 'ac', expected 'ab'"),
        ({"files": {"f": b"x"}}, {"files": {"f": b"y"}}, "files['f'] content: sent b'y', exp"),
        ({"files": {"f": b"x"}}, {"json": 1}, "files['f']: not sent, expected"),
        ({"json": {"a": list("xyzuvw")}}, {"json": {"a": list("123456")}}, "; 2 more"),
    ],
)
def test_how_the_body_differs_from_what_the_route_wants(upstream, wants, sent, differs):
    """As `assert_called_with` shows it; a few differences are enough."""
    upstream.post(URL, **wants).respond(200)
    with pytest.raises(UnroutedCall) as caught:
        httpx.post(URL, **sent)
    assert differs in str(caught.value)


@pytest.mark.parametrize(
    ("wants", "sent", "other"),
    [
        ({"json": {"a": ANY, "b": 1}}, {"json": {"a": [], "b": 1}}, {"json": {"a": 1, "b": 2}}),
        ({"json__a__b": ANY}, {"json": {"a": {"b": None}}}, {"json": {"a": {}}}),
        ({"json": pytest.approx(0.1)}, {"json": 0.1 + 1e-12}, {"json": 0.2}),
        ({"data": {"a": ANY}}, {"data": {"a": "1"}}, {"data": {"a": "1", "b": "2"}}),
        ({"headers": {"X-Key": ANY}}, {"headers": {"x-key": "1"}}, {"headers": {"y": "1"}}),
        (
            {"headers__contains": {"X-Key": ANY}},
            {"headers": {"x-key": "1"}},
            {"headers": {"y": "1"}},
        ),
        ({"data__contains": {"a": ANY}}, {"data": {"a": "1", "b": "2"}}, {"data": {"b": "2"}}),
        ({"cookies": {"id": ANY}}, {"cookies": {"id": "1"}}, {"cookies": {"of": "1"}}),
        ({"params": {"q": ANY}}, {"params": {"q": "1"}}, {"params": {"r": "1"}}),
    ],
)
def test_a_value_that_only_compares_stands_in(upstream, wants, sent, other):
    """`unittest.mock.ANY` and the like, in every part of a route."""
    route = upstream.post(URL, **wants).respond(200)
    cookies = sent.pop("cookies", None)
    with httpx.Client(cookies=cookies) as client:
        client.post(URL, **sent)
    assert route.call_count == 1
    cookies = other.pop("cookies", None)
    with httpx.Client(cookies=cookies) as client, pytest.raises(UnroutedCall):
        client.post(URL, **other)


def test_two_routes_that_differ_in_such_a_value_are_two(upstream):
    """And the same one again is the same route."""
    first = upstream.post(URL, json={"a": ANY}).respond(201)
    second = upstream.post(URL, json={"b": ANY}).respond(202)
    assert upstream.post(URL, json={"a": ANY}).respond(203) is first
    assert httpx.post(URL, json={"a": 1}).status_code == 203
    assert httpx.post(URL, json={"b": 1}).status_code == 202
    assert second.call_count == 1
