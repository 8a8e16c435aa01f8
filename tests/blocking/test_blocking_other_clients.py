"""Requests of other clients than ours are named by their endpoint, too."""

from __future__ import annotations

import asyncio
import contextlib
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession, _TestClientTransport

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._core.activity import ACTIVITY, BODY, LIFESPAN
from tests.blocking.test_blocking_steps import burn


async def slow(request):
    time.sleep(0.001)
    return PlainTextResponse("slow")


async def busy(request):
    burn(0.04)
    return PlainTextResponse("busy")


async def socket(websocket):
    await websocket.accept()
    time.sleep(0.001)
    await websocket.send_text("x")
    await websocket.close()


@contextlib.asynccontextmanager
async def lifespan(app):
    time.sleep(0.001)
    yield


APP = Starlette(
    routes=[Route("/slow", slow), Route("/busy", busy), WebSocketRoute("/ws", socket)],
    lifespan=lifespan,
)


def sleeps(guard) -> list[str]:
    return [call.activity for call in guard.calls if call.category == "sleep"]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_request_through_an_asgi_transport(watch, library):
    found = pytest.importorskip(library)

    async def body():
        ACTIVITY.set(BODY)
        transport = found.ASGITransport(APP)
        async with found.AsyncClient(transport=transport, base_url="http://app") as client:
            assert (await client.get("/slow?page=1")).text == "slow"
        time.sleep(0.001)

    guard = watch(body)
    assert sleeps(guard) == ["GET /slow", BODY]
    (first, _) = guard.findings()
    assert (first.where.function, [place.function for place in first.chain]) == ("slow", ["slow"])


def test_many_requests_in_one_step_are_many(watch):
    """Each takes less than the threshold: no task waited for long."""

    async def body():
        transport = httpx.ASGITransport(APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            for _ in range(8):
                await client.get("/busy")

    assert watch(body, step_threshold=0.2, cpu_threshold=0.2).findings() == []


@pytest.mark.parametrize("client", ["httpx's", "ours"])
@pytest.mark.parametrize(
    ("place", "activity"),
    [("before", BODY), ("in", "GET /"), ("later", "GET /"), ("after", BODY)],
)
def test_what_is_slow_beside_a_request_in_one_step_is_the_tests_own(watch, client, place, activity):
    """The app answers at once, so that the step holds the request and what is around it."""

    async def app(scope, receive, send):
        if place == "later":
            await asyncio.sleep(0)
        if place in ("in", "later"):
            burn(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def body():
        ACTIVITY.set(BODY)
        theirs = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        async with open_app(app, lifespan=False) if client == "ours" else theirs as http:
            await asyncio.sleep(0)
            if place == "before":
                burn(0.05)
            await http.get("http://app/")
            if place == "after":
                burn(0.05)

    (found,) = watch(body, step_threshold=0.02, cpu_threshold=0.02).findings()
    assert found.activity == activity


def test_the_sync_client_in_a_sync_test(watch):
    """Its app runs in a thread of its own; so does its lifespan."""
    guard = watch.guard()
    guard.start()
    with TestClient(APP) as client:
        assert client.get("/slow").text == "slow"
        with client.websocket_connect("/ws?x=1") as session:
            assert session.receive_text() == "x"
    guard.stop()
    assert sleeps(guard) == [LIFESPAN, "GET /slow", "WS /ws"]
    assert {call.category for call in guard.calls if call.severity != "silent"} == {"sleep"}


def test_the_sync_client_in_an_async_test(watch):
    """What the client itself waits for is still not reported."""

    async def body():
        ACTIVITY.set(BODY)
        client = TestClient(APP)
        assert client.get("/slow").text == "slow"
        with client.websocket_connect("/ws") as session:
            assert session.receive_text() == "x"

    guard = watch(body)
    assert sleeps(guard) == ["GET /slow", "WS /ws"]
    assert {call.category for call in guard.calls if call.severity != "silent"} == {"sleep"}


def test_async_asgi_testclient(watch):
    testing = pytest.importorskip("async_asgi_testclient")

    async def body():
        ACTIVITY.set(BODY)
        async with testing.TestClient(APP) as client:
            assert (await client.get("/slow?page=1")).text == "slow"
            async with client.websocket_connect("/ws") as session:
                assert await session.receive_text() == "x"

    assert sleeps(watch(body)) == [LIFESPAN, "GET /slow", "WS /ws"]


def test_the_clients_are_restored_with_the_last_guard(watch):
    """In whatever order the guards stop."""
    patched = [
        (httpx.ASGITransport, "handle_async_request"),
        (_TestClientTransport, "handle_request"),
        (WebSocketTestSession, "__enter__"),
        (TestClient, "lifespan"),
    ]
    before = [vars(owner)[name] for owner, name in patched]
    first, second = watch.guard(), watch.guard()
    first.start()
    second.start()
    first.stop()
    first.stop()
    assert not any(vars(owner)[name] in before for owner, name in patched)
    second.stop()
    assert [vars(owner)[name] for owner, name in patched] == before


def test_in_a_run_of_pytest(pytester: pytest.Pytester):
    """Sync tests as well, where the guard is on for all."""
    pytester.makepyfile(
        """
        import time
        import anyio, httpx, pytest
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        app = FastAPI()

        @app.get("/slow")
        async def slow():
            time.sleep(0.001)

        def test_sync():
            assert TestClient(app).get("/slow").status_code == 200

        @pytest.mark.anyio
        async def test_async():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                assert (await client.get("/slow")).status_code == 200
        """
    )
    result = pytester.runpytest_subprocess("-q", "--asyncfastapi-blocking=fail", "-p", "no:asyncio")
    result.assert_outcomes(failed=3)
    assert result.stdout.str().count("in GET /slow") == 1  # one line, in all tests
    assert result.stdout.str().count("in        GET /slow") == 3


def test_two_requests_at_once_have_each_their_own_label(watch):
    async def wait(request):
        await asyncio.sleep(0.001)
        time.sleep(0.001)
        return PlainTextResponse("x")

    app = Starlette(routes=[Route("/a", wait), Route("/b", wait)])

    async def body():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await asyncio.gather(client.get("/a"), client.get("/b"))

    assert sorted(sleeps(watch(body))) == ["GET /a", "GET /b"]
