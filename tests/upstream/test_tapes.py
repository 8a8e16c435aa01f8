"""Recording real calls to a tape and replaying it: secrets, differences, damaged files."""

import base64
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import httpx
import pytest

from pytest_asyncfastapi._upstream.cassette_file import TapeError
from pytest_asyncfastapi._upstream.errors import UnroutedCall, UpstreamExhausted

ZIPPED = gzip.compress(b'{"a": [1, 2]}')
PNG = b"\x89PNG\x00\xff"


@pytest.fixture
def real():
    """A real upstream on loopback: counts its calls, and answers in several kinds."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        calls = 0

        def do_GET(self):
            type(self).calls += 1
            length = int(self.headers.get("content-length", 0))
            sent = self.rfile.read(length).decode()
            path = self.path.partition("?")[0]
            body, kind, more = {
                "/png": (PNG, "image/png", {}),
                "/text": ("grüße".encode(), "text/plain; charset=utf-8", {}),
                "/gzip": (ZIPPED, "application/json", {"Content-Encoding": "gzip"}),
            }.get(
                path,
                (
                    json.dumps(
                        {"n": type(self).calls, "sent": len(sent), "access_token": "t0ps3cret"}
                    ).encode(),
                    "application/json",
                    {"Set-Cookie": "session=c00kie; Path=/", "X-Request-Cost": "3"},
                ),
            )  # fmt: skip
            self.send_response(201 if self.command == "POST" else 200)
            for name, value in {"Content-Type": kind, **more}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.handler = Handler
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tape(tmp_path):
    return tmp_path / "tapes" / "pay.json"


def fetch(library, mode, method, url, **options):
    if mode == "sync":
        with library.Client() as client:
            return client.request(method, url, **options)

    async def call():
        async with library.AsyncClient() as client:
            return await client.request(method, url, **options)

    return anyio.run(call, backend=mode)


CALLS = (
    ("POST", "/charge?b=2&a=1", {"json": {"amount": 3, "to": ["ann"]}}),
    ("POST", "/charge?a=1&b=2", {"json": {"to": ["ann"], "amount": 3}}),
    ("POST", "/form", {"data": {"x": "1", "y": ""}}),
    ("GET", "/png", {}),
    ("GET", "/text", {}),
    ("GET", "/gzip", {}),
)


def test_what_is_recorded_is_replayed(new_scope, library, mode, real, tape):
    """Every kind of call and body, in every library and mode; the second time nothing goes out."""
    one = new_scope()
    one.router.record(tape)
    recorded = [fetch(library, mode, m, real.url + path, **more) for m, path, more in CALLS]
    one.deactivate()
    assert one.findings() == []
    calls = real.handler.calls
    two = new_scope()
    two.router.replay(tape)
    replayed = [fetch(library, mode, m, real.url + path, **more) for m, path, more in CALLS]
    assert real.handler.calls == calls == len(CALLS)
    for was, found in zip(recorded, replayed, strict=True):
        assert isinstance(found, library.Response)
        assert (found.status_code, found.headers["content-type"]) == (
            was.status_code,
            was.headers["content-type"],
        )
        if "json" in was.headers["content-type"] and "n" in was.json():
            assert found.json() == {**was.json(), "access_token": "<secret>"}
        elif "json" in was.headers["content-type"]:
            assert found.json() == was.json()
        else:
            assert found.content == was.content
    assert [item.json()["n"] for item in replayed[:2]] == [1, 2]
    assert two.findings() == []
    with pytest.raises(UpstreamExhausted):
        fetch(library, mode, "GET", real.url + "/png")


def test_the_file_is_for_people_and_without_secrets(new_scope, real, tape):
    """JSON as JSON, text as text, the rest as base64; credentials nowhere."""
    scope = new_scope()
    with scope.router.record(tape, secrets=["X-Shop-Key", "pin"]):
        httpx.post(
            real.url + "/charge?api_key=k3y&page=2",
            json={"amount": 3, "password": "pa55", "card": {"pin": "1234"}},
            headers={
                "Authorization": "Bearer s3cret",
                "Cookie": "a=c00kie",
                "X-API-Key": "k3y",
                "X-Shop-Key": "sh0p",
                "Idempotency-Key": "i1",
            },
        )
        httpx.post(real.url + "/form", data={"grant": "x", "client_secret": "s3cret"})
        httpx.get(real.url + "/png")
    text = tape.read_text()
    for secret in ("s3cret", "c00kie", "k3y", "pa55", "1234", "sh0p", "t0ps3cret"):
        assert secret not in text
    written = json.loads(text)
    assert (written["format"], written["version"]) == ("pytest-asyncfastapi tape", 1)
    first, form, png = written["calls"]
    assert first["request"]["url"] == f"{real.url}/charge?api_key=<secret>&page=2"
    assert first["request"]["json"] == {
        "amount": 3,
        "password": "<secret>",
        "card": {"pin": "<secret>"},
    }
    assert first["request"]["headers"]["idempotency-key"] == "i1"
    assert first["response"]["headers"] == {
        "content-type": "application/json",
        "set-cookie": "session=<secret>; Path=/",
        "x-request-cost": "3",
    }
    assert form["request"]["form"] == "client_secret=<secret>&grant=x"
    assert png["response"]["base64"] == base64.b64encode(PNG).decode()
    assert '\n      "request": {' in text

    replaying = new_scope()
    replaying.router.replay(tape)
    found = httpx.post(
        real.url + "/charge?api_key=other&page=2",
        json={"amount": 3, "password": "other", "card": {"pin": "9"}},
    )
    assert found.json()["n"] == 1
    assert "session" in found.cookies


def test_a_call_that_is_not_on_the_tape_is_un_routed(new_scope, real, tape):
    """The nearest call of the tape is shown, with what differs."""
    with new_scope().router.record(tape):
        httpx.post(real.url + "/charge?page=1", json={"amount": 3})
    scope = new_scope()
    scope.router.replay(tape)
    with pytest.raises(UnroutedCall) as caught:
        httpx.post(real.url + "/charge?page=1", json={"amount": 4})
    assert f"- POST {real.url}/charge: the json is " in str(caught.value)
    assert 'the json is {"amount": 4}, the tape has {"amount": 3}' in str(caught.value)
    with pytest.raises(UnroutedCall, match=r"the url is .*page=2, the tape has .*page=1"):
        httpx.post(real.url + "/charge?page=2", json={"amount": 3})
    assert [item.kind for item in scope.findings()] == ["unrouted"] * 2


def test_routes_of_the_test_come_first_and_only_named_hosts_go_out(new_scope, real, tape):
    """What a route answers is not recorded; with hosts= other calls are un-routed as before."""
    scope = new_scope()
    scope.router.get("https://pay.example/").respond(text="mocked")
    with scope.router.record(tape, hosts=["127.0.0.1"]):
        assert httpx.get("https://pay.example/").text == "mocked"
        httpx.get(real.url + "/text")
        with pytest.raises(UnroutedCall):
            httpx.get("https://mail.example/")
    with pytest.raises(UnroutedCall):
        httpx.get(real.url + "/text")
    assert [call["request"]["url"] for call in json.loads(tape.read_text())["calls"]] == [
        f"{real.url}/text"
    ]


def test_unused_calls_of_a_tape(new_scope, real, tape):
    """They are fine, unless all are asked for."""
    with new_scope().router.record(tape):
        httpx.get(real.url + "/text")
    scope = new_scope()
    (route,) = scope.router.replay(tape)
    assert scope.findings() == []
    strict = new_scope()
    strict.router.replay(tape, assert_all_called=True)
    assert [item.kind for item in strict.findings()] == ["unused-route"]
    route.assert_not_called()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"there is no tape .*pay\.json: record it with upstream\.record"),
        (b'{"format": \n', r"pay\.json:2:1 is not JSON \(Expecting value\): correct it there, or"),
        (b"\xff\xfe\x00", "is not a tape but binary data: record it"),
        (b"[]", r"is not a tape \(it has no "),
        (b'{"log": {}}', r"is not a tape \(it has no "),
        (b'{"format": "pytest-asyncfastapi tape", "version": 0}', "of version 0, and this is"),
        (b'{"format": "pytest-asyncfastapi tape", "version": 1}', "call 1 is damaged"),
        (
            b'{"format": "pytest-asyncfastapi tape", "version": 1, "calls": [{"request": {}}]}',
            "call 1 is damaged",
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_no_tape_is_a_sentence(upstream, tape, content, sentence):
    """Missing, damaged, of another kind, of another version."""
    if content is not None:
        tape.parent.mkdir()
        tape.write_bytes(content)
    with pytest.raises(TapeError, match=sentence) as caught:
        upstream.replay(tape)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_a_recording_is_found(new_scope, real, tape):
    """Nothing recorded, a body not read, a path that cannot be written."""
    scope = new_scope()
    scope.router.record(tape)
    with httpx.Client() as client, client.stream("GET", real.url + "/text"):
        pass
    scope.deactivate()
    one, two = scope.findings()
    assert one.title == f"not on the tape {tape}: {real.url}/text"
    assert two.title == f"nothing was recorded to {tape}"
    assert not tape.exists()

    scope = new_scope()
    tape.parent.write_text("a file")
    with scope.router.record(tape):
        httpx.get(real.url + "/text")
    (finding,) = scope.findings()
    assert finding.title == f"{tape} cannot be written"


def test_wrong_use_is_a_sentence(upstream, tape):
    """One recording at a time; lists, not texts."""
    with pytest.raises(TypeError, match=r"hosts='a' is one text: write hosts=\['a'\]"):
        upstream.record(tape, hosts="a")
    upstream._tape = None
    upstream.record(tape)
    with pytest.raises(RuntimeError, match="is still recording: end it"):
        upstream.record(tape)
    upstream._tape = None


def test_a_suite_that_records_with_a_flag(pytester, real):
    """`--asyncfastapi-tapes=record` makes the tape below the root, the next run replays it."""
    pytester.makepyfile(
        app=f"""
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/buy")
        async def buy() -> int:
            async with httpx.AsyncClient(timeout=5) as client:
                return (await client.post("{real.url}/charge", json=[1])).json()["n"]
        """,
        test_it="""
        import pytest

        @pytest.mark.asyncfastapi(app="app:app")
        async def test_buy(asgi_client, upstream):
            upstream.replay("tapes/buy.json")
            assert (await asgi_client.get("/buy")).json() == 1
            upstream.assert_called_once_with("POST", json=[1]) if upstream.calls else None
        """,
    )
    result = pytester.runpytest("-p", "no:asyncio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*TapeError: there is no tape tapes/buy.json: record it with*"])
    pytester.runpytest("-p", "no:asyncio", "--asyncfastapi-tapes=record").assert_outcomes(passed=1)
    assert (pytester.path / "tapes" / "buy.json").exists()
    for _ in range(2):
        pytester.runpytest("-p", "no:asyncio").assert_outcomes(passed=1)
    assert real.handler.calls == 1
