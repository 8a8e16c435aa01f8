"""What a route can be told beside its URL: budgets, a body in pieces, how often it is called."""

import anyio
import httpx
import httpx2
import pytest

from pytest_asyncfastapi._upstream.errors import UnroutedCall

URL = "https://pay.example/charge"


def test_a_route_that_need_not_be_called(scope, upstream):
    """One of them, where `allow_unused_routes` lets all be."""
    assert upstream.get(URL).respond(200).optional().respond(201).is_optional
    upstream.post(URL).respond(200)
    (found,) = scope.findings()
    assert found.title == f"route never called: POST {URL}"
    assert ".optional()" in found.remedy


@pytest.mark.parametrize("sent", [5, {"read": 5.0}, httpx.Timeout(5)])
def test_the_timeouts_of_a_request(upstream, sent):
    """A number is all four budgets; of a dictionary those that are named."""
    slow = upstream.get(URL, timeout=60).respond(202)
    fast = upstream.get(URL, timeout=sent).respond(200)
    assert httpx.get(URL, timeout=5).status_code == 200
    assert httpx.get(URL, timeout=60).status_code == 202
    with pytest.raises(UnroutedCall, match="timeout\\['connect'\\]: sent 7, expected 60"):
        httpx.get(URL, timeout=7)
    fast.assert_called_once_with(timeout=sent)
    slow.assert_called_once_with(timeout={"pool": 60})
    with pytest.raises(AssertionError, match="timeout\\['read'\\]: sent 60, expected None"):
        slow.assert_called_with(timeout=None)


def test_one_budget_by_a_lookup(upstream):
    """As a path into JSON is written."""
    upstream.get(URL, timeout__read=None).respond(200)
    assert httpx.get(URL, timeout=httpx.Timeout(5, read=None)).status_code == 200
    with pytest.raises(UnroutedCall):
        httpx.get(URL, timeout=5)


def test_the_extensions_of_a_request(upstream):
    """Those that are named."""
    route = upstream.get(URL, extensions={"sni_hostname": "a.example"}).respond(200)
    with httpx.Client() as client:
        client.get(URL, extensions={"sni_hostname": "a.example", "trace": print})
        with pytest.raises(UnroutedCall, match="extensions\\['sni_hostname'\\]: sent 'b.example'"):
            client.get(URL, extensions={"sni_hostname": "b.example"})
    route.assert_called_once_with(extensions={"sni_hostname": "a.example"})


def test_what_is_mocked_at_all(upstream, scope):
    """For the rest there is no router: neither routes nor a finding."""
    upstream.get(URL).respond(200)
    upstream.should_mock = lambda request: request.url.host.endswith("pay.example")
    assert httpx.get(URL).status_code == 200
    for fault in ("latency=0s", "refused, after=1"):
        with pytest.raises(httpx.ConnectError):
            with httpx.Client(transport=httpx.HTTPTransport(retries=1)) as client:
                client.get("http://127.0.0.1:1/")
        scope.faults.add(f"127.0.0.1: {fault}", optional=True)
    assert scope.findings() == []
    with pytest.raises(UnroutedCall):
        httpx.get("https://pay.example/other")


async def generated():
    yield b"a"
    yield "b"


SOURCES = {
    "text": lambda: (["one", "two"], [b"one", b"two"]),
    "bytes": lambda: ([b"\x00", b"\xff"], [b"\x00", b"\xff"]),
    "json": lambda: ([{"n": 1}, {"n": 2}], [b'{"n":1}\n', b'{"n":2}\n']),
    "generator": lambda: ((word for word in ("a", "b")), [b"a", b"b"]),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_body_in_pieces(upstream, library, mode, source):
    """Every call gets it from its start, sync or async, of either library."""
    pieces, expected = SOURCES[source]()
    upstream.get(URL).respond(200, stream=pieces)

    def read():
        with library.stream("GET", URL) as response:
            return list(response.iter_raw())

    async def read_async():
        async with library.AsyncClient() as client, client.stream("GET", URL) as response:
            return [piece async for piece in response.aiter_raw()]

    for _ in range(2):
        got = read() if mode == "sync" else anyio.run(read_async, backend=mode)
        assert got == expected


def test_a_body_from_an_async_generator(upstream):
    """For async clients; a sync one gets a sentence that says so."""
    upstream.get(URL).respond(200, stream=generated())

    async def read():
        async with httpx2.AsyncClient() as client:
            return [(await client.get(URL)).content for _ in range(2)]

    assert anyio.run(read) == [b"ab", b"ab"]
    upstream.get(URL).respond(200, stream=generated())
    with pytest.raises(TypeError, match="an async generator, and a sync client asked for it"):
        httpx.get(URL)


async def test_a_body_from_a_file(blocking, upstream, tmp_path):
    """Read when the route is made, and no finding of the guard."""
    path = tmp_path / "report.bin"
    await anyio.Path(path).write_bytes(b"x" * 100_000)
    upstream.get(URL).respond(200, stream=path)
    async with httpx.AsyncClient() as client, client.stream("GET", URL) as response:
        sizes = [len(piece) async for piece in response.aiter_raw()]
    assert sum(sizes) == 100_000
    assert len(sizes) > 1
    blocking.assert_none()


def test_how_many_calls_a_block_makes(upstream):
    """Of each route by its name, or of all; what was before does not count."""
    upstream.post(URL, name="charge").respond(201)
    upstream.get(URL, name="read").respond(200)
    httpx.get(URL)
    with upstream.assert_calls(charge=2, read=0):
        httpx.post(URL)
        httpx.post(URL)
    with upstream.assert_calls(1):
        httpx.get(URL)
    with pytest.raises(AssertionError) as caught, upstream.assert_calls(charge=1):
        httpx.post(URL, json=1)
        httpx.post(URL, json=2)
    text = str(caught.value)
    assert "(named 'charge') was expected to be called once, and was called 2 times" in text
    assert f"- POST {URL} 2; called at tests/upstream/test_route_options.py:" in text
    with pytest.raises(AssertionError, match="upstream was not to be called, and was called once"):
        with upstream.assert_calls(0):
            httpx.get(URL)


def test_an_error_in_the_block_is_not_hidden(upstream):
    """The counts are not looked at then."""
    upstream.get(URL, name="read").respond(200)
    with pytest.raises(ZeroDivisionError), upstream.assert_calls(read=1):
        1 / 0  # noqa: B018


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda up: up.assert_calls().__enter__(), TypeError, "takes a number, or names of routes"),
        (lambda up: up.assert_calls(pay=1).__enter__(), ValueError, "no route named 'pay'"),
        (lambda up: up.get(URL, jsn={}), TypeError, "by 'jsn'; did you mean 'json'? It can by"),
        (lambda up: up.get(url__like="x"), TypeError, "'like' must be one of eq, regex"),
        (lambda up: up.get("pay.example/charge"), ValueError, "write 'https://pay.example/charge'"),
        (lambda up: up.get("pay.example"), ValueError, "host='pay.example' for every URL"),
        (lambda up: up.get(URL).respond("200"), TypeError, "a status is a number"),
        (lambda up: up.get(URL).respond(20), ValueError, "a status has three digits"),
        (lambda up: up.get(URL).respond(stream="text"), TypeError, "the pieces of the body as a"),
        (lambda up: up.get(URL).mock(3), TypeError, "mock(3): give an httpx.Response"),
        (lambda up: up.get(URL).mock(side_effect=3), TypeError, "give an exception, a function"),
        (lambda up: up.assert_called({"a": 1}), TypeError, "{'a': 1} is not a method"),
        (lambda up: up.assert_max_in_flight("2"), TypeError, "'2' is not a number of calls"),
    ],
)
def test_wrong_words_are_refused(upstream, wrong, error, words):
    """Where the route is made, in one sentence."""
    with pytest.raises(error) as caught:
        wrong(upstream)
    assert words in str(caught.value)


def test_a_path_and_a_base_url_are_no_hosts(new_scope):
    """A router with a base takes relative URLs."""
    upstream = new_scope(router=False).open_router(base_url="https://pay.example/v1.2/")
    upstream.get("rates.json").respond(200)
    assert httpx.get("https://pay.example/v1.2/rates.json").status_code == 200
    other = new_scope().router
    other.get("/rates.json").respond(201)
    assert httpx.get("https://any.example/rates.json").status_code == 201
