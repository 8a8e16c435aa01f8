"""The faults that people meet and cannot build: each as a test of an app would have it."""

import anyio
import pytest

URL = "https://pay.example/charge"
SMALL = b"0123456789"


def outcomes(library, mode, *calls, **options):
    """The calls one after another on one client: a response, or the error's class name."""

    def name(error):
        assert error.request.url == URL
        return type(error).__name__

    if mode == "sync":
        found = []
        with library.Client(**options) as client:
            for method, body in calls:
                try:
                    found.append(client.request(method, URL, content=body))
                except library.HTTPError as error:
                    found.append(name(error))
        return found

    async def run():
        found = []
        async with library.AsyncClient(**options) as client:
            for method, body in calls:
                try:
                    found.append(await client.request(method, URL, content=body))
                except library.HTTPError as error:
                    found.append(name(error))
        return found

    return anyio.run(run, backend=mode)


GET = ("GET", b"")


@pytest.fixture(autouse=True)
def _route(scope):
    scope.router.route(url=URL).respond(content=SMALL)


@pytest.fixture(params=["verb", "grammar"])
def rule(request, faults):
    """Adds a fault by its verb or by its word in the grammar: one language, two ways."""

    def add(verb, word, *, nth=None, **given):
        if request.param == "grammar":
            when = f", nth={nth}" if nth else ""
            return faults._add_spec(f"*: {word}{when}")
        rule = getattr(faults.on("*"), verb)(**given)
        return rule.nth(nth) if nth else rule

    return add


def test_a_kept_connection_that_the_server_has_just_closed(scope, faults, rule, library, mode):
    """stale_keepalive: the second call finds the connection closed as it arrives."""
    faults.on("*").latency("1ms")
    rule("stale_keepalive", "stale_keepalive", nth=2)
    first, second, third = outcomes(library, mode, GET, GET, GET)
    assert (first.content, second, third.content) == (SMALL, "RemoteProtocolError", SMALL)


def test_a_connection_closed_while_idle_goes_unnoticed(scope, faults, rule, library, mode):
    """idle_close: the pool replaces it, and the app sees nothing."""
    rule("idle_close", "idle_close")
    first, second = outcomes(library, mode, GET, GET)
    assert first.content == second.content == SMALL


# httpx leaves its body's generator unfinished when decoding fails; trio reports such generators.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored .*async_generator:pytest.PytestUnraisableExceptionWarning"
)
def test_a_body_that_is_no_gzip(scope, rule, library, mode):
    """bad_gzip: DecodingError, which is no TransportError: code that catches those misses it."""
    rule("bad_gzip", "bad_gzip")
    assert outcomes(library, mode, GET) == ["DecodingError"]
    assert not issubclass(library.DecodingError, library.TransportError)


def test_half_a_gzip_stream_is_no_error(scope, rule, library, mode):
    """bad_gzip(half=True): a 200 with half of the body, and nothing says so."""
    rule("bad_gzip", "truncated_gzip", half=True)
    (response,) = outcomes(library, mode, GET)
    assert response.status_code == 200
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.content) < len(SMALL)


def test_a_server_that_stops_reading(scope, rule, library, mode):
    """write_timeout: the client's own write budget ends the upload."""
    rule("write_timeout", "write_timeout")
    timeout = library.Timeout(30, write=0.03)
    upload = ("POST", b"u" * 2**20)
    assert outcomes(library, mode, upload, timeout=timeout) == ["WriteTimeout"]
    (struck,) = scope.faults
    assert [(hit.budget, hit.limit) for hit in struck.fired] == [("write", 0.03)]


def test_more_than_the_content_length_spoils_the_next_answer(scope, rule, library, mode):
    """too_long: this answer is right, and the rest is read as the head of the next one."""
    rule("too_long", "too_long", nth=1)
    first, second, third = outcomes(library, mode, GET, GET, GET)
    assert (first.content, second, third.content) == (SMALL, "RemoteProtocolError", SMALL)


def test_a_pool_without_a_free_connection(scope, rule, library, mode):
    """pool_exhausted: the client's pool budget ends the wait, under either name."""
    rule("pool_exhausted", "pool_exhausted")
    timeout = library.Timeout(30, pool=0.03)
    assert outcomes(library, mode, GET, timeout=timeout) == ["PoolTimeout"]
    (struck,) = scope.faults
    assert [(hit.budget, hit.limit) for hit in struck.fired] == [("pool", 0.03)]


def test_an_exhausted_pool_without_a_budget_is_said(scope, rule, library, mode):
    """pool_exhausted on a client without a pool timeout would hang forever."""
    from pytest_asyncfastapi._faults import NoTimeoutSet

    rule("pool_exhausted", "pool_exhausted")
    with pytest.raises(NoTimeoutSet, match="no pool timeout is set"):
        outcomes(library, mode, GET, timeout=library.Timeout(30, pool=None))


def test_bytes_that_are_no_http(scope, rule, library, mode):
    """garbage: RemoteProtocolError; the next call is served."""
    rule("garbage", "garbage", nth=1)
    first, second = outcomes(library, mode, GET, GET)
    assert (first, second.content) == ("RemoteProtocolError", SMALL)


@pytest.mark.parametrize(("in_end", "word"), [(False, "bad_chunk"), (True, "bad_chunk_end")])
def test_chunks_that_are_none(scope, rule, library, mode, in_end, word):
    """bad_chunk: RemoteProtocolError in the body, after all of its bytes."""
    rule("bad_chunk", word, in_end=in_end)
    assert outcomes(library, mode, GET) == ["RemoteProtocolError"]
