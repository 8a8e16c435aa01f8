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


ALOUD = """
    import asyncio, os
    from contextlib import asynccontextmanager
    from fastapi import FastAPI

    class Aloud(asyncio.Protocol):
        def data_received(self, data):
            raise RuntimeError(f"not expected: {data}")

    @asynccontextmanager
    async def lifespan(app):
        loop = asyncio.get_running_loop()
        port = int(os.environ["PEER_PORT"])
        app.errors = []
        loop.set_exception_handler(lambda _, context: app.errors.append(context["exception"]))
        app.transport, _ = await loop.create_connection(Aloud, "127.0.0.1", port)
        yield
        app.transport.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/ask")
    async def ask():
        app.transport.write(b"*1\\r\\n$4\\r\\nPING\\r\\n")
"""


def test_a_client_that_fails_as_its_test_ends(project):
    """What was held is delivered, and the client raises: as asyncio has it, which logs that."""
    project.makepyfile(shop=ALOUD)
    project.makeini("[pytest]\nasyncfastapi_app = shop:app\nasyncfastapi_app_scope = module")
    project.makepyfile(
        """
        import asyncio
        import time
        import shop

        async def test_late(asgi_client, faults, blocking):
            faults.on("tcp://127.0.0.1:*").latency("1h")
            await asgi_client.get("/ask")
            with blocking.allow("sleep", reason="until the answer is here"):
                time.sleep(0.1)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert shop.app.errors == []

        async def test_after(asgi_client):
            assert [str(error) for error in shop.app.errors] == ["not expected: b'+PONG\\\\r\\\\n'"]
            assert shop.app.transport.is_closing()
        """
    )
    project.inline_run("-p", "no:cacheprovider", "-p", "no:randomly").assertoutcome(passed=2)


def test_what_cannot_end_does_not_reach_the_next_test(project):
    """Neither the connections, nor the ways out, nor the network that is refused."""
    project.makeconftest(
        """
        import pytest
        from pytest_asyncfastapi._connections.scope import Connections

        @pytest.fixture
        def broken(request):
            ended = Connections.deactivate

            def deactivate(self):
                ended(self)
                raise RuntimeError("cannot end")

            Connections.deactivate = deactivate
            request.config.add_cleanup(lambda: setattr(Connections, "deactivate", ended))
        """
    )
    project.makepyfile(
        """
        import socket
        import sys
        from pytest_asyncfastapi._connections.intercept import CONNECTIONS
        from pytest_asyncfastapi._upstream.intercept import INTERCEPTION

        async def test_here(broken, asgi_client, faults):
            await asgi_client.get("/visits")

        def test_after():
            assert (len(CONNECTIONS._active), len(INTERCEPTION._active)) == (0, 0)
            with socket.socket() as sock:
                sys.audit("socket.connect", sock, ("93.184.216.34", 9))
        """
    )
    result = project.inline_run("-p", "no:cacheprovider", "-p", "no:randomly")
    passed, _, failed = result.listoutcomes()
    assert [report.nodeid.partition("::")[2] for report in passed] == ["test_here", "test_after"]
    assert [report.when for report in failed] == ["teardown"]
    assert "cannot end" in str(failed[0].longrepr)


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
