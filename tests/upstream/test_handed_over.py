"""A call that was handed to a thread, or to Starlette as a background task, has the app's line."""

import pytest

APP = """
import asyncio, concurrent.futures, anyio.to_thread, httpx
from fastapi import BackgroundTasks, FastAPI
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

app = FastAPI()
URL = "https://mail.example/"
# Clients that a test replaces: the bound methods are the library's.
client, blocking = httpx.AsyncClient(), httpx.Client()

@app.get("/added")
async def added(background: BackgroundTasks):
    background.add_task(client.get, URL)  # HERE
    background.add_task(len, "other")

@app.get("/added_sync")
async def added_sync(background: BackgroundTasks):
    background.add_task(len, "other")
    background.add_task(blocking.get, URL)  # HERE

@app.get("/by_a_response")
async def by_a_response():
    return Response(background=BackgroundTask(client.get, URL))  # HERE

@app.get("/own")
async def own(background: BackgroundTasks):
    async def send():
        await client.get(URL)  # HERE
    background.add_task(send)

@app.get("/to_thread")
async def to_thread():
    await asyncio.to_thread(blocking.get, URL)  # HERE

@app.get("/in_a_pool")
async def in_a_pool():
    await run_in_threadpool(blocking.get, URL)  # HERE

@app.get("/by_anyio")
async def by_anyio():
    await anyio.to_thread.run_sync(blocking.get, URL)  # HERE

@app.get("/gathered")
async def gathered():
    loop = asyncio.get_running_loop()
    await asyncio.gather(loop.run_in_executor(None, blocking.get, URL), asyncio.sleep(0))  # HERE

@app.get("/mapped")
def mapped():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(blocking.get, [URL]))
"""
PATHS = "added added_sync by_a_response own to_thread in_a_pool by_anyio gathered".split()
ON_TRIO = "added added_sync by_a_response own in_a_pool by_anyio".split()


@pytest.mark.parametrize("watched", ["auto", "off"])
def test_the_line_that_handed_it_over(pytester: pytest.Pytester, watched: str) -> None:
    """On asyncio and trio; in a thread of somebody's own nobody knows, and nobody waits."""
    pytester.makepyfile(
        app=APP,
        test_it=f"""
        import pytest

        @pytest.fixture
        def anyio_backend(request):
            return getattr(request, "param", "asyncio")

        @pytest.mark.asyncfastapi(app="app:app", leaks="{watched}", threads="{watched}",
                                  blocking="off")
        @pytest.mark.parametrize(("path", "anyio_backend"),
            [(path, "asyncio") for path in {PATHS}] + [(path, "trio") for path in {ON_TRIO}],
            indirect=["anyio_backend"])
        async def test_it(asgi_client, upstream, path):
            upstream.get("https://mail.example/").respond(200)
            await asgi_client.get("/" + path)
            (call,) = upstream.exchanges
            assert call.where is not None
            assert call.where.source.endswith("# HERE")
            assert call.where.function.startswith(path)

        @pytest.mark.asyncfastapi(app="app:app")
        async def test_nobody_knows(asgi_client, upstream):
            upstream.get("https://mail.example/").respond(200)
            await asgi_client.get("/mapped")
            assert [call.where for call in upstream.exchanges] == [None]
        """,
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=len(PATHS) + len(ON_TRIO) + 1)
