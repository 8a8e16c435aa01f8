"""Every exchange is recorded: when it began, when what came, who called, which fault hit."""

import dataclasses

import anyio
import httpx
import pytest

URL = "https://pay.example/charge"
TIMELINE = {"head": 0.02, "first_byte": 0.02, "tail": 0.02}


def fetch(library, mode, url=URL):
    if mode == "sync":
        with library.Client() as client:
            return client.get(url)

    async def call():
        async with library.AsyncClient() as client:
            return await client.get(url)

    return anyio.run(call, backend=mode)


def test_an_answer_in_memory(upstream, library, mode):
    """Without a fault everything is there at once."""
    upstream.get(URL).respond(text="hello")
    fetch(library, mode)
    (seen,) = upstream.exchanges
    assert (seen.method, seen.url, seen.library, seen.status) == ("GET", URL, library.__name__, 200)
    assert seen.head == seen.first_byte == seen.ended
    assert seen.time_to_head is not None
    assert seen.time_to_head >= 0
    assert seen.where is not None
    assert seen.where.function.startswith("fetch")
    assert seen.request is upstream.calls.last.request
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen.status = 1


def test_a_played_answer_has_its_times(upstream, faults, library, mode):
    """Head, first byte and end come when the wire brings them."""
    upstream.get(URL).respond(text="hello")
    faults.on(URL).timeline(**TIMELINE)
    fetch(library, mode)
    (seen,) = upstream.exchanges
    assert seen.time_to_head >= 0.02
    assert seen.time_to_first_byte >= 0.04
    assert seen.duration >= 0.06
    assert seen.fault == f"{URL}: latency=20ms, first_byte=20ms, tail=20ms"


def test_an_error_in_the_body_is_the_exchanges(upstream, faults, library, mode):
    """A body that breaks off has a status, an end and an error."""
    upstream.get(URL).respond(text="hello")
    faults.on(URL).truncated()
    with pytest.raises(library.RemoteProtocolError):
        fetch(library, mode)
    (seen,) = upstream.exchanges
    assert (seen.status, seen.error) == (200, "RemoteProtocolError")
    assert seen.ended is not None


def test_an_error_before_the_head(upstream, faults, library, mode):
    """A refused call has an end and an error, and nothing else."""
    upstream.get(URL).respond(text="hello")
    faults.on(URL).refused()
    with pytest.raises(library.ConnectError):
        fetch(library, mode)
    (seen,) = upstream.exchanges
    assert (seen.status, seen.error, seen.head, seen.first_byte) == (
        None,
        "ConnectError",
        None,
        None,
    )
    assert seen.duration is not None
    assert seen.time_to_head is None
    assert seen.time_to_first_byte is None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_streamed_answer_is_out_until_it_is_closed(upstream, library, backend):
    """Whoever streams holds a connection: it counts as in flight, read or not."""

    def chunks():
        yield b"one"
        yield b"two"

    upstream.get(URL).respond(content=chunks())

    async def app():
        async with library.AsyncClient() as client:
            async with client.stream("GET", URL) as first:
                (seen,) = upstream.exchanges
                assert (seen.head is not None, seen.first_byte, seen.ended) == (True, None, None)
                assert seen.duration is None
                assert "still out" in repr(seen)
                await client.get(URL)
                assert upstream.peak_in_flight == 2
                assert await first.aread() == b"onetwo"
            one, two = upstream.exchanges
            assert one.head <= two.ended <= one.first_byte <= one.ended
            async with client.stream("GET", URL):
                pass  # closed unread
            unread = upstream.exchanges[-1]
            assert (unread.first_byte, unread.error, unread.ended is None) == (None, "", False)
            assert upstream.peak_in_flight == 2

    anyio.run(app, backend=backend)


def test_the_order_is_that_of_the_calls(upstream, faults):
    """A slow call stands where it was made."""
    upstream.route(host="pay.example").respond(200)
    faults.on(URL + "/slow").latency(0.05)

    async def app():
        async with httpx.AsyncClient() as client, anyio.create_task_group() as group:
            group.start_soon(client.get, URL + "/slow")
            await anyio.sleep(0.01)
            group.start_soon(client.get, URL + "/fast")

    anyio.run(app)
    assert [item.url.rpartition("/")[2] for item in upstream.exchanges] == ["slow", "fast"]


def test_the_repr_is_a_line_to_read(upstream, faults):
    """Method, URL, outcome, offsets, place and fault."""
    upstream.get(URL).respond(200)
    faults.on(URL).status(503)
    httpx.get(URL)
    text = repr(upstream.exchanges[0])
    assert text.startswith(f"<Exchange GET {URL} -> 503, head +")
    assert "called at tests/upstream/test_observation.py:" in text
    assert text.endswith(f"fault {URL}: status=503>")


def test_too_many_in_flight_names_the_callers(upstream):
    """The failure says which line makes the calls."""
    upstream.get(URL).respond(200)

    async def app():
        async with httpx.AsyncClient() as client, anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.get, URL)

    async def more():
        async with httpx.AsyncClient() as client:
            await client.get(URL)

    anyio.run(app)
    anyio.run(more)
    with pytest.raises(AssertionError) as caught:
        upstream.assert_max_in_flight(2)
    assert "3 upstream calls were in flight" in str(caught.value)
    assert "1 from tests/upstream/test_observation.py:" in str(caught.value)


def test_times_are_virtual_where_the_clock_is(pytester):
    """Thirty virtual seconds in the app are thirty seconds in the exchange."""
    pytester.makepyfile(
        app="""
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/buy")
        async def buy() -> str:
            async with httpx.AsyncClient(timeout=60) as client:
                return (await client.get("https://pay.example/charge")).text
        """,
        test_it="""
        import pytest

        @pytest.mark.asyncfastapi(app="app:app")
        async def test_buy(asgi_client, upstream, faults, clock):
            route = upstream.get("https://pay.example/charge").respond(text="paid")
            faults.on("*").timeline(head="30s", tail="12s")
            begin = clock.time()
            await asgi_client.get("/buy")
            (seen,) = upstream.exchanges
            assert seen.started == pytest.approx(begin, abs=0.5)
            assert seen.time_to_head == pytest.approx(30, abs=0.5)
            assert seen.duration == pytest.approx(42, abs=0.5)
            assert seen.activity == "GET /buy"
            assert str(seen.where) == "app.py:9"
            route.assert_called_once_with(json={"amount": 1})
        """,
    )
    result = pytester.runpytest("-p", "no:asyncio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *GET https://pay.example/charge was called, but not with what is expected*",
            "*json: the body is not JSON but*",
            "*called at app.py:9 in buy: return (await client.get(*",
        ]
    )
    assert "called.py" not in result.stdout.str()


GATHERED = """
import asyncio, anyio, httpx
from fastapi import FastAPI

app = FastAPI()
URL = "https://pay.example/"

@app.get("/gather")
async def gather():
    async with httpx.AsyncClient() as http:
        await asyncio.gather(http.get(URL), http.get(URL))  # HERE

@app.get("/tasks")
async def tasks():
    async with httpx.AsyncClient() as http, asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(http.get(URL))  # HERE

@app.get("/soon")
async def soon():
    async with httpx.AsyncClient() as http, anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(http.get, URL)  # HERE
"""


@pytest.mark.parametrize("watched", ["auto", "off"])
def test_a_call_in_a_task_of_its_own_has_the_line_that_made_the_task(
    pytester: pytest.Pytester, watched: str
) -> None:
    """The coroutine is the client's: no line of the app is on its stack."""
    pytester.makepyfile(
        app=GATHERED,
        test_it=f"""
        import pytest

        @pytest.fixture
        def anyio_backend(request): return request.param

        @pytest.mark.asyncfastapi(app="app:app", leaks="{watched}", threads="{watched}",
                                  blocking="{watched}")
        @pytest.mark.parametrize(("path", "anyio_backend"), [
            ("gather", "asyncio"), ("tasks", "asyncio"), ("soon", "asyncio"), ("soon", "trio"),
        ], indirect=["anyio_backend"])
        async def test_it(asgi_client, upstream, path):
            upstream.get("https://pay.example/").respond(200)
            await asgi_client.get("/" + path)
            places = [call.where for call in upstream.exchanges]
            assert len(places) == 2
            for place in places:
                assert place.function == path
                assert place.source.endswith("# HERE")
        """,
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=4)
