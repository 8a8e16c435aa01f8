"""The fault sweep over exchanges with a database or cache: each verdict, and its sound twin.

The server is one of the test's own, or a real Redis, whose port `REDIS_PORT` has
(`nox -s postgres`). The app speaks to it by streams, with a pool of its own, or by redis.asyncio.
"""

import os
import sys
from types import SimpleNamespace

import pytest

from tests.connections.peer import running

APP = """
    import asyncio
    import os
    from contextlib import asynccontextmanager
    from fastapi import FastAPI, HTTPException

    PORT = int(os.environ["PEER_PORT"])

    class Connection:
        reader = None

        async def get(self, name):
            return await self.command("GET", name)

        async def command(self, *words):
            if self.reader is None:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", PORT)
            parts = "".join(f"${len(word)}\\r\\n{word}\\r\\n" for word in words)
            self.writer.write(f"*{len(words)}\\r\\n{parts}".encode())
            answer = await self.reader.readline()
            if not answer:
                raise ConnectionResetError("closed")
            if answer[:1] == b"$" and answer != b"$-1\\r\\n":
                answer = await self.reader.readline()
            return answer[:-2].decode()

        async def close(self):
            if self.reader is not None:
                self.reader = None
                self.writer.close()
                try:
                    await self.writer.wait_closed()
                except ConnectionError:
                    pass

    @asynccontextmanager
    async def lifespan(app):
        app.pool = asyncio.Queue()
        app.all = [Connection(), Connection(), Connection()]
        for connection in app.all:
            app.pool.put_nowait(connection)
        yield
        for connection in [*app.all, *getattr(app, "more", ())]:
            await connection.close()

    app = FastAPI(lifespan=lifespan)

    @asynccontextmanager
    async def connected():
        connection = await app.pool.get()
        try:
            async with asyncio.timeout(5):
                yield connection
        except BaseException:
            await connection.close()
            raise
        finally:
            app.pool.put_nowait(connection)
"""

SOUND = """
    @app.get("/")
    async def home():
        try:
            async with connected() as connection:
                return await connection.get("a")
        except OSError:
            raise HTTPException(503)
"""
ONE = """
    import pytest

    @pytest.mark.fault_sweep
    async def test_home(asgi_client):
        assert (await asgi_client.get("/")).status_code == 200
"""


@pytest.fixture
def peer(monkeypatch):
    if port := os.environ.get("REDIS_PORT"):
        monkeypatch.setenv("PEER_PORT", port)
        yield SimpleNamespace(port=int(port))
        return
    with running() as server:
        monkeypatch.setenv("PEER_PORT", str(server.port))
        yield server


@pytest.fixture
def swept(pytester, peer, monkeypatch):
    """Run these tests of this app."""
    # An app of the same size, written in the same second, would be taken from the cache.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(app, tests=ONE, *options):
        pytester.makepyfile(shopapp=APP + app, test_it=tests)
        pytester.makeini(
            "[pytest]\nasyncfastapi_app = shopapp:app\nfilterwarnings = error\npythonpath = .\n"
            "asyncio_default_fixture_loop_scope = function"
        )
        return pytester.runpytest("-v", "-p", "no:cacheprovider", *options)

    return run


def test_a_sound_endpoint_has_no_bad_point(swept):
    """The connect and the command, each refused, cut, slow, and from then on gone for good."""
    result = swept(SOUND)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep of test_it.py::test_home: 7 points, 0 bad, * s",
            "  call refus ctime reset empty  slow",
            "     1   503   503",
            "  1+host   503",
            "     2               503   503   503",
            "  2+host   503",
            "     1 = connect tcp://127.0.0.1:*  shopapp.py:*",
            "     2 = exchange tcp://127.0.0.1:*  shopapp.py:*",
        ]
    )


def test_unhandled_and_no_timeout(swept):
    """One finding for each, with the app's line and what to write."""
    app = """
    @app.get("/")
    async def home():
        connection = Connection()
        try:
            return await connection.get("a")
        finally:
            await connection.close()
    """
    result = swept(app)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep: unhandled when connect tcp://127.0.0.1:* (call 1, 1+host) meets refused",
            "*detail    GET / raised ConnectionRefusedError: *",
            "fault sweep: no timeout when connect tcp://127.0.0.1:* (call 1) meets connect_timeout",
            "fault sweep: unhandled when exchange tcp://127.0.0.1:* (call 2, 2+host) meets reset*",
            "fault sweep: no timeout when exchange tcp://127.0.0.1:* (call 2) meets slow",
            "*detail    the app waited 30 s for exchange tcp://127.0.0.1:*",
            "*fix       asyncio.timeout(5) around the call",
        ]
    )


LOST = """
    @app.get("/")
    async def home():
        connection = await app.pool.get()
        try:
            async with asyncio.timeout(5):
                found = await connection.get("a")
        except OSError:
            await connection.close()
            {put_back}raise HTTPException(503)
        app.pool.put_nowait(connection)
        return found
"""


def test_a_connection_that_is_not_put_back_into_its_pool(swept):
    """Found with a pool of three, of which one request cannot use up all; with the line."""
    result = swept(LOST.format(put_back=""))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep: pool connection lost when connect tcp://127.0.0.1:*",
            "*connection = await app.pool.get()",
            "*why       each failure takes one connection out of the pool, until it is empty",
            "*detail    what was taken from a Queue at shopapp.py:* is not put back",
        ]
    )
    swept(LOST.format(put_back="app.pool.put_nowait(connection); ")).assert_outcomes(passed=1)


def test_a_connection_that_stays_broken(swept):
    """Put back as it is, it fails the next request too; one that is closed is opened again."""
    app = """
    app.one = Connection()
    app.more = [app.one]

    @app.get("/")
    async def home():
        try:
            async with asyncio.timeout(5):
                return await app.one.get("a")
        except OSError:
            {renew}raise HTTPException(503)
    """
    kept = swept(app.format(renew=""), ONE.replace("fault_sweep", 'fault_sweep(faults=["reset"])'))
    kept.assert_outcomes(failed=1)
    kept.stdout.fnmatch_lines(
        [
            "fault sweep: connection lost when exchange tcp://127.0.0.1:* meets reset",
            "*GET / still answers 503, a minute after the server *",
            "*fix       open a new connection after an error, *",
        ]
    )
    renewed = swept(
        app.format(renew="await app.one.close(); "),
        ONE.replace("fault_sweep", 'fault_sweep(faults=["reset"])'),
    )
    renewed.assert_outcomes(passed=1)


def test_a_server_that_is_gone_for_good(swept):
    """A retry stands one reset; it must end where the server does not come back."""
    app = """
    @app.get("/")
    async def home():
        while True:
            try:
                async with connected() as connection:
                    return await connection.get("a")
            except OSError:
                {wait}
    """
    result = swept(app.format(wait="await asyncio.sleep(1)"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fault sweep: hung when connect tcp://127.0.0.1:* (call 1+host, 2+host) meets refused",
            "*detail    GET / has met the fault 500 times and tries again: *",
            "*fix       give up after some tries, *",
        ]
    )
    bounded = """
    @app.get("/")
    async def home():
        for _ in range(3):
            try:
                async with connected() as connection:
                    return await connection.get("a")
            except OSError:
                await asyncio.sleep(1)
        raise HTTPException(503)
    """
    swept(bounded).assert_outcomes(passed=1)


def test_only_the_exchanges_of_the_apps_requests_are_points(swept):
    """Neither those of the test's own client, nor of the start-up, which `setup=True` adds."""
    app = (
        SOUND
        + """
    @asynccontextmanager
    async def opening(app, inner=lifespan):
        async with inner(app):
            connection = Connection()
            await connection.get("first")
            await connection.close()
            yield

    app.router.lifespan_context = opening
    """
    )
    tests = """
    import pytest
    import shopapp

    @pytest.mark.fault_sweep({given})
    async def test_home(asgi_client):
        own = shopapp.Connection()
        await own.get("mine")
        await own.close()
        if {calls}:
            assert (await asgi_client.get("/")).status_code == 200
    """
    result = swept(app, tests.format(given="", calls=True))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["fault sweep of test_it.py::test_home: 7 points, 0 bad*"])
    nothing = swept(app, tests.format(given="", calls=False))
    nothing.assert_outcomes(failed=1)
    nothing.stdout.fnmatch_lines(
        ["*nothing was tried, because all 2 upstream calls are made before the test's body*"]
    )
    started = swept(app, tests.format(given="setup=True", calls=False))
    started.assert_outcomes(failed=1)
    started.stdout.fnmatch_lines(["*start-up aborted when connect tcp://127.0.0.1:*"])


def test_where(swept):
    """`only=` takes the address of a server."""
    one = ONE.replace("fault_sweep", 'fault_sweep(only="tcp://127.0.0.1:*")')
    swept(SOUND, one).stdout.fnmatch_lines(["*7 points, 0 bad*"])
    none = swept(SOUND, ONE.replace("fault_sweep", 'fault_sweep(only="redis://cache")'))
    none.stdout.fnmatch_lines(["*the test makes no upstream call to redis://cache*"])


def test_inside_of_a_test(swept):
    """`explore_faults()` strikes connections that are open already, and takes its fault back."""
    tests = """
    from pytest_asyncfastapi import explore_faults

    async def test_home(asgi_client):
        for _ in range(3):  # all of the pool are open
            assert (await asgi_client.get("/")).status_code == 200
        report = await explore_faults(lambda: asgi_client.get("/"))
        assert {point.answer for point in report.points} == {"503"}
        assert "reset" in {point.column for point in report.points}
        assert (await asgi_client.get("/")).status_code == 200
    """
    swept(SOUND, tests).assert_outcomes(passed=1)


def test_a_replay(swept):
    """One point, by the token of the report."""
    result = swept(SOUND, ONE, "--asyncfastapi-replay=faults:2+host:refused")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 points, 0 bad*"])


REDIS = """
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    @asynccontextmanager
    async def opening(app):
        app.cache = redis.asyncio.Redis(
            host="127.0.0.1", port=PORT, protocol=2, socket_timeout={timeout},
            socket_connect_timeout=5, retry=Retry(NoBackoff(), {retries}),
        )
        yield
        await app.cache.aclose()

    app.router.lifespan_context = opening

    @app.get("/")
    async def home():
        try:
            return {{"visits": bool(await app.cache.incr("visits"))}}
        except redis.RedisError:
            raise HTTPException(503)
"""


def test_redis_by_its_commands(swept):
    """What the driver sends by itself (`HELLO`, `CLIENT`) is no point; its retry is right."""
    pytest.importorskip("redis.asyncio")
    sound = swept(REDIS.format(timeout=2, retries=0))
    sound.assert_outcomes(passed=1)
    sound.stdout.fnmatch_lines(
        [
            "*7 points, 0 bad*",
            "     1 = connect redis://127.0.0.1:*",
            "     2 = INCR* redis://127.0.0.1:*",
        ]
    )
    assert "CLIENT" not in sound.stdout.str()
    retried = swept(REDIS.format(timeout=2, retries=1))
    retried.assert_outcomes(passed=1)
    retried.stdout.fnmatch_lines(["     2 *200   200   200"])
    slow = swept(REDIS.format(timeout=None, retries=0))
    slow.assert_outcomes(failed=1)
    slow.stdout.fnmatch_lines(
        [
            "fault sweep: no timeout when INCR* redis://127.0.0.1:* meets slow",
            "*the app waited 30 s for INCR* redis://127.0.0.1:*",
            "*fix       redis.asyncio.Redis(socket_timeout=5), or *",
        ]
    )
