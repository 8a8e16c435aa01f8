"""A fault that can have no effect on a call does not strike it; the finding says why."""

import anyio
import httpx
import pytest

URL = "https://up.example/"
PROXY = "http://proxy.example:3128"
IN_BODY = [
    "truncated",
    "close_after=10",
    "close=0",
    "reset=1",
    "stall=1",
    "reset_stream=1",
    "dribble=10/20ms",
    "bandwidth=1KB/s",
    "first_byte=1ms, gap=uniform(1ms, 2ms), tail=1ms",
    "bad_chunk",
    "bad_chunk_end",
    "bad_gzip",
    "truncated_gzip",
    "bad_json",
]
OTHERS = ["latency=1ms", "status=503", "idle_close", "latency=1ms, truncated", "until_close"]


def fetch(library, mode, method="GET", url=URL, content=None, **options):
    """One call with a fresh client."""
    if mode == "sync":
        with library.Client(**options) as client:
            return client.request(method, url, content=content)

    client = library.AsyncClient(**options)  # not in the loop: it reads certificates

    async def call():
        async with client:
            return await client.request(method, url, content=content)

    return anyio.run(call, backend=mode)


def why_unused(scope):
    """What is said of the one rule that never struck."""
    (found,) = (item for item in scope.findings() if item.kind == "unused-fault")
    return found.evidence.partition(";")[0]


NO_BODY = "it can have no effect on the calls that it covers: the answer has no body"


@pytest.mark.parametrize("spec", IN_BODY)
@pytest.mark.parametrize("what", ["HEAD", "204", "length 0"])
def test_a_body_that_is_not_there(scope, faults, spec, what):
    """Known beforehand: the schedule does not count the call."""
    length = {"Content-Length": "0"} if what == "length 0" else {}
    scope.router.route(method="GET").respond(204 if what == "204" else 200, headers=length)
    scope.router.head(URL).respond(text="x" * 100)
    rule = faults._add_spec(f"*: {spec}, first=1")
    for _ in range(2):
        assert fetch(httpx, "sync", "HEAD" if what == "HEAD" else "GET").content == b""
    assert (rule.seen, rule.hits, rule.fired) == (0, 0, [])
    assert why_unused(scope) == NO_BODY
    # The same rule on an answer with a body.
    scope.router.post(URL).respond(text="x" * 100)
    try:
        fetch(httpx, "sync", "POST", timeout=httpx.Timeout(5, read=0.1))
    except httpx.HTTPError:
        pass
    assert rule.hits == len(rule.fired) == 1


@pytest.mark.parametrize("spec", OTHERS)
def test_what_needs_no_body_strikes(scope, faults, spec):
    """A delay, a status, the end of the connection."""
    scope.router.head(URL).respond(text="x")
    rule = faults._add_spec(f"*: {spec}")
    fetch(httpx, "sync", "HEAD")
    assert rule.hits == 1
    assert scope.findings() == []


@pytest.mark.parametrize("spec", ["dribble=10/20ms", "bandwidth=1KB/s", "gap=1ms"])
def test_a_pace_of_an_empty_body(scope, faults, spec):
    """Nothing to pace; but an empty body can be cut off, as it has no length."""
    scope.router.get(URL).respond(200)
    rule = faults._add_spec(f"*: {spec}")
    fetch(httpx, "sync")
    assert rule.hits == 0
    assert why_unused(scope).endswith("the answer's body is empty")
    faults.on("*").truncated()
    with pytest.raises(httpx.RemoteProtocolError):
        fetch(httpx, "sync")


def test_an_answer_that_turns_out_to_have_no_body(scope, faults, library, mode):
    """Of a side effect: counted when it is made, and taken back."""
    scope.router.get(URL).mock(side_effect=lambda request: httpx.Response(204))
    rule = faults.on("*").truncated()
    assert fetch(library, mode).status_code == 204
    assert (rule.seen, rule.hits, rule.fired) == (1, 0, [])
    assert why_unused(scope) == NO_BODY


# httpx leaves its body's generator unfinished when a write fails; trio reports such generators.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored .*async_generator:pytest.PytestUnraisableExceptionWarning"
)
def test_a_reset_in_an_upload_needs_one(scope, faults, library, mode):
    """A GET uploads nothing."""
    scope.router.route(url=URL).respond(200)
    rule = faults.on("*").reset(in_upload=True)
    assert fetch(library, mode).status_code == 200
    assert rule.hits == 0
    assert why_unused(scope).endswith("the request has no body")
    with pytest.raises(library.TransportError):
        fetch(library, mode, "POST", content=b"x")
    assert rule.hits == 1


@pytest.mark.parametrize("kind", [407, "refused", "eof"])
def test_a_proxy_error_needs_a_proxy(scope, faults, library, mode, kind):
    """One that is used."""
    scope.router.route(host="up.example").respond(200)
    rule = faults.on("*").proxy_error(kind)
    assert fetch(library, mode).status_code == 200
    assert rule.hits == 0
    assert why_unused(scope).endswith("no proxy is used")


@pytest.mark.parametrize(
    ("spec", "http2", "why"),
    [
        ("http10", True, "the client speaks HTTP/2"),
        ("connection_close", True, "the client speaks HTTP/2"),
        ("no_http2", False, "the client does not speak HTTP/2 there"),
        ("early_answer=413", False, "the request has no body"),
        ("upload_rate=1KB/s", False, "the request has no body"),
    ],
)
def test_what_a_protocol_or_a_request_does_not_have(scope, faults, library, spec, http2, why):
    """The call is answered, and the finding says why nothing went wrong."""
    scope.router.route(host="up.example").respond(text="ok")
    rule = faults._add_spec(f"*: {spec}")
    assert fetch(library, "sync", http2=http2).text == "ok"
    assert rule.hits == 0
    assert why_unused(scope).endswith(why)


def test_a_tls_error_needs_https(scope, faults):
    """The evidence says that no such call was made."""
    scope.router.get("http://up.example/").respond(200)
    faults.on("*").tls_error()
    assert fetch(httpx, "sync", url="http://up.example/").status_code == 200
    assert why_unused(scope) == "no https call to it was made"


# What a proxy does to a call without TLS, which it is asked for itself.


@pytest.mark.parametrize("code", [407, 502, 503, 504])
def test_a_proxy_answers_a_plain_call_itself(scope, faults, library, mode, code):
    """Its status is the answer."""
    scope.router.get("http://up.example/").respond(text="ok")
    faults.on("*").proxy_error(code).first(1)
    options = {"proxy": PROXY, "trust_env": False}
    assert fetch(library, mode, url="http://up.example/", **options).status_code == code
    assert fetch(library, mode, url="http://up.example/", **options).text == "ok"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("eof", "RemoteProtocolError"), ("refused", "ConnectError"), ("stall", "ReadTimeout")],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_answer(scope, faults, library, mode, kind, error, scheme):
    """Closed, refused or silent; through a tunnel too."""
    scope.router.route(host="up.example").respond(text="ok")
    faults.on("*").proxy_error(kind)
    timeout = library.Timeout(5, read=0.05)
    url = f"{scheme}://up.example/"
    with pytest.raises(getattr(library, error)):
        fetch(library, mode, url=url, proxy=PROXY, trust_env=False, timeout=timeout)
