import asyncio
import json
import threading

import anyio
import httpx
import httpx2
import pytest

from pytest_asyncfastapi._upstream.errors import UpstreamExhausted

URL = "https://pay.example/charge"


def fetch(library, mode, method="GET", url=URL, **options):
    """One call with a fresh client; the body is read."""
    if mode == "sync":
        with library.Client() as client:
            return client.request(method, url, **options)

    async def call():
        async with library.AsyncClient() as client:
            return await client.request(method, url, **options)

    return anyio.run(call, backend=mode)


def test_a_route_answers_in_the_callers_library(upstream, library, mode):
    """The app gets a response of its own library, whichever that is, on every backend."""
    route = upstream.post(URL).respond(201, json={"id": 7}, headers={"x-a": "b"})
    response = fetch(library, mode, "POST", json={"amount": 3})
    assert isinstance(response, library.Response)
    assert (response.status_code, response.json(), response.headers["x-a"]) == (201, {"id": 7}, "b")
    assert type(response.request) is library.Request
    assert route.call_count == 1
    assert json.loads(upstream.calls.last.request.content) == {"amount": 3}
    assert upstream.calls.last.response.json() == {"id": 7}


def test_both_libraries_in_one_test(upstream):
    """One route serves httpx and httpx2 side by side."""
    upstream.get(URL).respond(text="hello")

    async def app():
        async with httpx.AsyncClient() as one, httpx2.AsyncClient() as two:
            return (await one.get(URL)).text, (await two.get(URL)).text

    assert asyncio.run(app()) == ("hello", "hello")


def test_a_worker_thread_belongs_to_the_scope_of_its_task(upstream):
    """A sync client in a worker thread gets the routes of the test that started it."""
    upstream.get(URL).respond(text="hello")

    async def app():
        return await anyio.to_thread.run_sync(lambda: httpx.get(URL).text)

    assert anyio.run(app) == "hello"


def test_a_thread_without_context_gets_the_innermost_scope(upstream):
    """A plain thread, which inherits no context, is answered all the same."""
    upstream.get(URL).respond(text="hello")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(httpx.get(URL).text))
    thread.start()
    thread.join()
    assert seen == ["hello"]


def test_respx_patterns_names_and_side_effects(upstream):
    """What people know from respx works: names, params, a callable with captured groups."""
    upstream.get(host="pay.example", path__regex=r"/users/(?P<user>\w+)").mock(
        side_effect=lambda request, user: httpx.Response(200, text=user)
    )
    upstream.get(URL, params={"page": "2"}, name="second").respond(text="two")
    upstream.route(host="pay.example") % 418
    assert httpx.get("https://pay.example/users/ann").text == "ann"
    assert httpx.get(URL, params={"page": 2}).text == "two"
    assert httpx.get(URL, params={"page": 3}).status_code == 418
    assert upstream["second"].called


def test_the_first_added_route_wins(upstream):
    """A literal route does not overtake a pattern that was added before it."""
    upstream.route(host="pay.example").respond(text="pattern")
    upstream.get(URL).respond(text="literal")
    assert httpx.get(URL).text == "pattern"


def test_a_route_added_after_a_call_is_seen(upstream):
    """The index is rebuilt when routes change."""
    upstream.get(URL, name="a").respond(text="one")
    assert httpx.get(URL).text == "one"
    upstream.get(URL + "/2").respond(text="two")
    assert httpx.get(URL + "/2").text == "two"
    upstream.pop("a")
    upstream.get(URL).respond(text="three")
    assert httpx.get(URL).text == "three"


def test_a_route_that_declines_leaves_it_to_the_next(upstream):
    """A side effect that returns None means: not mine."""
    upstream.get(URL).mock(side_effect=lambda request: None)
    upstream.route(host="pay.example").respond(text="next")
    assert httpx.get(URL).text == "next"


@pytest.mark.parametrize("raised", [httpx.ReadTimeout, httpx2.ReadTimeout("late")])
def test_an_error_by_hand_is_of_the_callers_library(upstream, library, mode, raised):
    """An error of either library in a rule reaches the app as its own library's class."""
    upstream.get(URL).mock(side_effect=raised)
    with pytest.raises(library.ReadTimeout) as caught:
        fetch(library, mode)
    assert caught.value.request.url == URL


def test_an_async_side_effect_meets_the_read_timeout(upstream, library):
    """A slow async side effect does not beat the client's own timeout."""

    async def slow(request):
        await anyio.sleep(1)
        return httpx.Response(200)

    upstream.get(URL).mock(side_effect=slow)

    async def app():
        # Only to read: a busy machine may need longer than that to connect.
        async with library.AsyncClient(timeout=library.Timeout(None, read=0.05)) as client:
            await client.get(URL)

    with pytest.raises(library.ReadTimeout):
        anyio.run(app)


def test_an_async_side_effect_answers(upstream, library):
    """An async side effect within the budget answers as a plain one does."""

    async def effect(request):
        await anyio.sleep(0)
        return httpx.Response(202, json={"seen": request.method})

    upstream.get(URL).mock(side_effect=effect)
    response = fetch(library, "asyncio")
    assert (response.status_code, response.json()) == (202, {"seen": "GET"})


def test_a_generator_body_can_be_read_by_every_call(upstream, library):
    """A body given as a generator is there for the second call too, chunk by chunk."""

    async def chunks():
        for chunk in (b"one", b"two", b"three"):
            yield chunk

    upstream.get(URL).respond(content=chunks())

    async def app():
        found = []
        async with library.AsyncClient() as client:
            for _ in range(2):
                async with client.stream("GET", URL) as response:
                    found.append([chunk async for chunk in response.aiter_raw()])
        return found

    assert asyncio.run(app()) == [[b"one", b"two", b"three"]] * 2


def test_an_exhausted_list_says_so(scope, upstream):
    """One call too many is named in words, and found even if the app swallows it."""
    upstream.get(URL, name="charge").mock(side_effect=[httpx.Response(200), httpx.Response(500)])

    async def app():
        async with httpx.AsyncClient() as client:
            await client.get(URL)
            await client.get(URL)
            try:
                await client.get(URL)
            except Exception as error:
                return error

    error = asyncio.run(app())
    assert isinstance(error, UpstreamExhausted)
    assert not isinstance(error, httpx.HTTPError)
    for part in ("GET https://pay.example/charge", "its list had 2", "call 3", "test_routing.py:"):
        assert part in str(error)
    (finding,) = scope.findings()
    assert finding.kind == "upstream-exhausted"
    assert finding.where is not None
    assert finding.where.source == "await client.get(URL)"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_mocked_call_suspends(upstream, library, backend):
    """Two tasks that read, call and write lose an update, as they would in production."""
    upstream.get(URL).respond(200)
    counter = {"n": 0}

    async def increment(client):
        n = counter["n"]
        await client.get(URL)
        counter["n"] = n + 1

    async def app():
        async with library.AsyncClient() as client, anyio.create_task_group() as group:
            group.start_soon(increment, client)
            group.start_soon(increment, client)

    anyio.run(app, backend=backend)
    assert counter["n"] == 1


def test_exchanges_and_peak_in_flight(upstream):
    """Each call is recorded with who made it, and the peak shows a missing limit."""
    upstream.get(URL).respond(204)

    async def app():
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(client.get(URL) for _ in range(3)))

    asyncio.run(app())
    assert upstream.peak_in_flight == 3
    upstream.assert_max_in_flight(3)
    with pytest.raises(AssertionError, match="3 upstream calls were in flight.*at most 2"):
        upstream.assert_max_in_flight(2)
    first = upstream.exchanges[0]
    assert (first.method, first.url, first.library, first.status) == ("GET", URL, "httpx", 204)
    assert first.where is not None
    assert first.where.path.endswith("test_routing.py")
    assert first.ended >= first.started


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_through_the_network_connections_are_kept(upstream, library, backend):
    """With through_network the client's real pool serves calls, and keeps the connection."""
    upstream.get(URL).respond(text="hello")
    upstream.head(URL).respond(200)
    upstream.post(URL).respond(json=[1], stream=None)
    upstream.through_network = True

    async def app():
        async with library.AsyncClient() as client:
            for _ in range(3):
                assert (await client.get(URL)).text == "hello"
                assert (await client.head(URL)).status_code == 200
                assert (await client.post(URL, content=b"x" * 100_000)).json() == [1]
            return [item.info() for item in client._transport._pool.connections]

    (info,) = anyio.run(app, backend=backend)
    assert "IDLE" in info
    assert "Request Count: 9" in info
