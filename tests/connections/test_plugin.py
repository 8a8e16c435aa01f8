"""The fixture, the marker and the flag, in a project with a cache on a real socket."""

import pytest

from tests.connections.peer import running

pytest.importorskip("redis")

APP = """
    import os
    from contextlib import asynccontextmanager
    import redis.asyncio
    from fastapi import FastAPI, HTTPException
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    @asynccontextmanager
    async def lifespan(app):
        app.cache = redis.asyncio.Redis(
            host="127.0.0.1", port=int(os.environ["PEER_PORT"]), protocol=2, socket_timeout=2,
            retry=Retry(NoBackoff(), 1),
        )
        await app.cache.ping()  # the connection is open before any test begins
        yield
        await app.cache.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/visits")
    async def visits():
        try:
            return await app.cache.incr("visits")
        except redis.RedisError:
            raise HTTPException(503)

    @app.get("/careless")
    async def careless():
        return await app.cache.incr("visits")
"""


@pytest.fixture
def project(pytester, monkeypatch):
    with running() as peer:
        monkeypatch.setenv("PEER_PORT", str(peer.port))
        pytester.makepyfile(shop=APP)
        pytester.makeini("[pytest]\nasyncfastapi_app = shop:app")
        pytester.syspathinsert()
        yield pytester


def test_a_slow_and_a_lost_cache(project):
    """In a test's body, by a marker, and of an app that runs longer than a test."""
    project.makepyfile(
        """
        import pytest

        @pytest.mark.faults("redis://*: latency=100ms")
        async def test_marked(asgi_client, clock):
            before = clock.elapsed
            assert (await asgi_client.get("/visits")).status_code == 200
            assert round(clock.elapsed - before, 6) == 0.1

        async def test_lost(asgi_client, faults):
            faults.on("redis://*").reset()
            assert (await asgi_client.get("/visits")).status_code == 503

        async def test_slow(asgi_client, faults, clock):
            faults.on("redis://*").latency("30s")
            response = await asgi_client.get("/visits")
            assert (response.status_code, clock.elapsed) == (503, 4.0)  # two tries of 2 s

        async def test_sound(asgi_client, faults):
            assert (await asgi_client.get("/visits")).json() >= 1
        """
    )
    for scope in ("function", "module"):
        if scope == "module":
            project.makeini("[pytest]\nasyncfastapi_app = shop:app\nasyncfastapi_app_scope=module")
        result = project.inline_run("-p", "no:cacheprovider")
        result.assertoutcome(passed=4)


def test_a_fault_that_never_struck_and_bad_input(project):
    """Each in one sentence."""
    project.makepyfile(
        """
        import pytest

        async def test_unused(asgi_client, faults):
            faults.on("postgresql://db:5432").reset()
            await asgi_client.get("/visits")

        async def test_word(faults):
            faults.on("redis://cache").status(503)

        async def test_both(faults):
            faults.on("redis://cache").timeline(connect=1, head=2)

        async def test_scheme(faults):
            faults.on("ftp://files:21").reset()

        async def test_port(faults):
            faults.on("redis://cache:http").reset()
        """
    )
    result = project.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=5)
    result.stdout.fnmatch_lines_random(
        [
            "*connection fault never hit: postgresql://db:5432: reset*",
            "*redis://127.0.0.1:*; it was given by the test",
            "E *'status=503' is not a fault of a connection to redis://cache: write latency, *",
            "E *'connect' is about the opening of a connection and 'latency' about what is *",
            "E *ftp:// is not known: write tcp://host:port, or one of redis, postgresql, *",
            "E *'http' in 'redis://cache:http' is not a port: write a number, or [*]*",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_asyncfastapi*py:*")


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("redis://cache: status=503", "'status=503' is not a fault of a connection"),
        ("redis://cache: reset=head", "'reset=head' is not a fault of a connection"),
        ("gopher://x: reset", "gopher:// is not known: write tcp://host:port"),
    ],
)
def test_a_flag_that_cannot_be_read(project, spec, problem):
    """At the start, with the place in the text."""
    project.makepyfile("def test_nothing(): pass")
    result = project.runpytest_inprocess(f"--asyncfastapi-fault={spec}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert problem in result.stderr.str()
