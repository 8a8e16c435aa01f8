"""A connection at rest, while the app waits for an upstream by another library."""

import time

import pytest

from tests.connections.peer import running
from tests.connections.test_plugin import APP

pytest.importorskip("redis")
pytest.importorskip("aiohttp")

BESIDE = """
    import aiohttp

    @app.get("/rates")
    async def rates():
        await app.cache.incr("visits")
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                async with session.get("https://bank.example/rates") as response:
                    return response.status
            except TimeoutError:
                raise HTTPException(504)
"""


def test_time_does_not_stand_still_for_it(pytester, monkeypatch):
    """The pool's open connection has nothing to answer, so aiohttp's timeout takes no real time."""
    with running() as peer:
        monkeypatch.setenv("PEER_PORT", str(peer.port))
        pytester.makepyfile(
            shop=APP + BESIDE,
            test_it="""
            async def test_slow(asgi_client, upstream, faults, clock):
                upstream.get("https://bank.example/rates").respond(200)
                faults.on("https://bank.example/*").latency("30s")
                assert (await asgi_client.get("/rates")).status_code == 504
                assert round(clock.elapsed, 3) == 2.0
                assert clock.notes == []
            """,
        )
        pytester.syspathinsert()
        pytester.makeini("[pytest]\nasyncfastapi_app = shop:app")
        began = time.monotonic()
        pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert time.monotonic() - began < 10  # for which time stood still before
