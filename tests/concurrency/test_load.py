"""`load`: what it counts, on asyncio and trio, in real and in virtual time."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import anyio
import httpx
import pytest
from fastapi import FastAPI

BACKENDS = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])


@pytest.fixture
def asgi_app():
    app = FastAPI()

    @app.get("/slow")
    async def slow():
        await anyio.sleep(0.01)
        return {}

    @app.get("/thread")
    def thread():
        return {}

    @app.get("/at-once")
    async def at_once():
        return {}

    @app.get("/up")
    async def up():
        async with httpx.AsyncClient() as client:
            await client.get("https://up.example/")
        return {}

    return app


@BACKENDS
async def test_requests_are_made_at_most_so_many_at_a_time(asgi_client, load, anyio_backend):
    report = await load(lambda: asgi_client.get("/slow"), n=20, concurrency=5)
    assert (report.n, report.concurrency, report.peak) == (20, 5, 5)
    assert report.statuses == {200: 20}
    assert report.errors == ()
    assert len(report.latencies) == 20
    assert min(report.latencies) >= 0.01 <= report.p50 <= report.p99 <= report.slowest
    assert report.duration >= 0.04
    assert report.lag.longest >= report.lag.p99 > 0
    assert report.upstream_peak is None


async def test_in_virtual_time_the_figures_are_exact(asgi_client, load, clock):
    """Four rounds of five."""
    report = await load(lambda: asgi_client.get("/slow"), n=20, concurrency=5)
    assert report.duration == pytest.approx(0.04)
    assert report.latencies == pytest.approx((0.01,) * 20)


@BACKENDS
async def test_errors_are_kept_and_the_others_go_on(asgi_client, load, anyio_backend):
    """The number is that of the request; a factory may fail before anything is awaited."""

    async def late(number):
        raise LookupError(number)

    def request(number):
        if number == 2:
            raise ValueError("at once")
        return late(number) if number == 5 else asgi_client.get("/nowhere")

    report = await load(request, n=8, concurrency=3)
    assert [(item.index, str(item)) for item in report.errors] == [
        (2, "ValueError: at once"),
        (5, "LookupError: 5"),
    ]
    assert report.statuses == {404: 6}
    assert "errors    2; first: ValueError: at once" in str(report)


@pytest.mark.asyncfastapi(threads="off")
@BACKENDS
async def test_the_thread_pool_of_the_load_alone(asgi_client, load, threads, anyio_backend):
    """What came before it does not count; all of it counts for the test."""
    await anyio.to_thread.run_sync(len, "x")
    report = await load(lambda: asgi_client.get("/thread"), n=60, concurrency=60)
    (pool,) = report.threads
    assert (pool.calls, pool.peak) == (60, 40)
    assert report.queued == pool.queued > 0
    assert threads.pools[0].calls == 61


async def test_upstream_calls_in_flight(asgi_client, load, upstream, clock, faults):
    upstream.get("https://up.example/").respond(json=[])
    faults.on("https://up.example/").latency("1s")
    await asgi_client.get("/up")
    report = await load(lambda: asgi_client.get("/up"), n=12, concurrency=4)
    assert report.upstream_peak == 4
    assert report.duration == pytest.approx(3)


async def test_requests_that_never_wait_get_all_workers_a_turn(asgi_client, load):
    report = await load(lambda: asgi_client.get("/at-once"), n=10, concurrency=2)
    assert report.statuses == {200: 10}


async def test_the_report_is_a_table_data_and_json(asgi_client, load, clock):
    report = await load(lambda: asgi_client.get("/slow"), n=4, concurrency=2)
    rows = [line.split()[0] for line in str(report).splitlines()]
    assert rows == ["requests", "latency", "statuses", "loop"]
    assert str(report).splitlines()[:3] == [
        "requests  4, at most 2 in flight, in 20 ms",
        "latency   p50 10 ms, p95 10 ms, p99 10 ms, max 10 ms",
        "statuses  200 x 4",
    ]
    data = json.loads(report.to_json())
    assert data["p99"] == report.p99
    assert data["statuses"] == {"200": 4}
    with pytest.raises(FrozenInstanceError):
        report.n = 5


async def test_percentiles_are_those_of_the_nearest_rank():
    from pytest_asyncfastapi import LoadReport

    report = LoadReport(4, 1, 1.0, (4.0, 1.0, 3.0, 2.0))
    assert [report.percentile(p) for p in (0, 25, 50, 51, 100)] == [1, 1, 2, 3, 4]
    assert LoadReport(1, 1, 1.0).p99 == 0
    with pytest.raises(ValueError, match="it must be from 0 to 100"):
        report.percentile(101)


BAD = [
    (lambda get: 7, {}, TypeError, "load() got 7, not a function that makes a request"),
    (lambda get: get, {}, TypeError, "load() got one request that is under way already"),
    (lambda get: lambda: 7, {}, TypeError, "the request gave 7, which cannot be awaited"),
    (lambda get: lambda a, b: 7, {}, TypeError, "(a, b) wants more than the number"),
    (lambda get: int, {"n": 0}, ValueError, "load(n=0): it must be a whole number, 1 or more"),
    (
        lambda get: int,
        {"concurrency": 1.5},
        ValueError,
        "concurrency=1.5): it must be a whole number",
    ),
]


@BACKENDS
@pytest.mark.parametrize(("make", "arguments", "error", "sentence"), BAD)
async def test_arguments_that_make_no_load(load, anyio_backend, make, arguments, error, sentence):
    async def get():
        pass

    request = get()
    try:
        with pytest.raises(error) as caught:
            await load(make(request), **arguments)
    finally:
        request.close()
    assert sentence in str(caught.value)


@BACKENDS
async def test_a_failure_that_is_no_exception_ends_the_load(load, anyio_backend):
    """`pytest.fail` in a request fails the test, unwrapped."""

    async def request():
        pytest.fail("no")

    with pytest.raises(pytest.fail.Exception, match="no"):
        await load(request, n=3)


@BACKENDS
async def test_a_load_can_be_cancelled(load, anyio_backend):
    """Nothing goes on after it."""
    with anyio.move_on_after(0.01) as scope:
        await load(anyio.sleep_forever, n=3, concurrency=3)
    assert scope.cancelled_caught
