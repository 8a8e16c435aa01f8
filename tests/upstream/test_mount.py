"""Two services in one test: another ASGI app answers an origin, on one virtual clock."""

import asyncio
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

from pytest_asyncfastapi._plugin.fixtures import faults, upstream

__all__ = ["faults", "upstream"]  # the plugin's own, and not those of this folder

pay = FastAPI(lifespan=lambda app: started(app))


@asynccontextmanager
async def started(app):
    app.state.running = True
    yield
    app.state.running = False


@pay.post("/charges")
async def charge(request: Request):
    assert pay.state.running
    async with httpx.AsyncClient(timeout=5) as client:
        rate = (await client.get("https://rates.example/eur")).json()
    return {"amount": (await request.json())["amount"] * rate, "host": request.url.hostname}


@pay.get("/slow")
async def slow():
    await anyio.sleep(30)


@pay.get("/broken")
async def broken():
    raise RuntimeError("a bug of the other service")


@pay.get("/lines")
async def lines():
    async def body():
        for n in range(3):
            await anyio.sleep(1)
            yield f"{n}\n"

    return StreamingResponse(body())


shop = FastAPI()


@shop.post("/checkout")
async def checkout():
    async with httpx.AsyncClient(base_url="https://pay.example", timeout=2) as client:
        try:
            return (await client.post("/charges", json={"amount": 5})).json()
        except httpx.HTTPError as error:
            raise HTTPException(503, type(error).__name__) from None


@shop.get("/forward/{name}")
async def forward(name: str):
    async with httpx.AsyncClient(timeout=2) as client:
        try:
            response = await client.get(f"https://pay.example/{name}")
        except httpx.TimeoutException:
            raise HTTPException(504) from None
    return {"status": response.status_code, "text": response.text}


@shop.get("/in-a-thread")
def in_a_thread():
    with httpx.Client() as client:
        return client.post("https://pay.example/charges", json={"amount": 7}).json()


@pytest.fixture
def asgi_app():
    return shop


@pytest.mark.anyio
async def test_two_services(asgi_client, upstream, faults, clock):
    """Its lifespan runs, its own calls are routed, faults lie between the two; on trio too."""
    rates = upstream.get("https://rates.example/eur").respond(json=2)
    async with upstream.mount("https://pay.example", pay) as route:
        answer = await asgi_client.post("/checkout")
        assert answer.json() == {"amount": 10, "host": "pay.example"}
        assert (await asgi_client.get("/in-a-thread")).json()["amount"] == 14
        route.assert_called_with(json={"amount": 7})
        assert rates.call_count == 2
        before = clock.elapsed
        assert (await asgi_client.get("/forward/lines")).json()["text"] == "0\n1\n2\n"
        assert clock.elapsed - before == pytest.approx(3)
        assert (await asgi_client.get("/forward/slow")).status_code == 504
        assert clock.elapsed - before == pytest.approx(5, abs=0.1)
        assert (await asgi_client.get("/forward/broken")).json()["status"] == 500
        assert (await asgi_client.get("/forward/none")).json()["status"] == 404
        faults.on("https://pay.example/*").reset().first(1)
        assert (await asgi_client.post("/checkout")).json() == {"detail": "ReadError"}
        faults.on("https://pay.example/*").latency("30s").first(1)
        assert (await asgi_client.post("/checkout")).json() == {"detail": "ReadTimeout"}
    assert not pay.state.running


async def test_the_route_ends_with_the_block(upstream):
    """What it served stays in the exchanges."""
    async with upstream.mount("https://pay.example", pay), httpx.AsyncClient() as client:
        assert (await client.get("https://pay.example/none")).status_code == 404
    assert len(upstream.routes) == 0
    assert [exchange.status for exchange in upstream.exchanges] == [404]


async def test_bad_input(upstream):
    """In one sentence each; a sync client on the app's own loop would wait for itself."""
    with pytest.raises(ValueError, match="write an origin, such as 'https://pay.example'"):
        upstream.mount("pay.example", pay)
    with pytest.raises(ValueError, match="write an origin"):
        upstream.mount("https://pay.example/api", pay)
    with pytest.raises(TypeError, match="give the ASGI app itself"):
        upstream.mount("https://pay.example", "shop:app")


def test_a_sync_client_on_the_loop_itself(new_scope):
    from pytest_asyncfastapi import open_app

    scope = new_scope()
    upstream = scope.router
    with pytest.raises(RuntimeError, match="only the `upstream` of a test can mount an app"):
        upstream.mount("https://pay.example", pay)
    upstream.open_app = open_app

    async def main():
        async with upstream.mount("https://pay.example", pay):
            with pytest.raises(RuntimeError, match="it would wait for itself"):
                httpx.get("https://pay.example/slow")

    asyncio.run(main())
