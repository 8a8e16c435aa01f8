"""The fault sweep over a real PostgreSQL and a real Redis: `nox -s postgres` starts both."""

import os

import pytest

from tests import postgres, redis_server

POSTGRESQL = os.environ.get("POSTGRESQL_URL", "")
REDIS = os.environ.get("REDIS_PORT", "")
on_postgresql = pytest.mark.skipif(
    not POSTGRESQL,
    reason=(postgres.MISSING if postgres.programs() is None else "no PostgreSQL runs")
    + ": nox -s postgres starts one for these tests",
)
on_redis = pytest.mark.skipif(
    not REDIS,
    reason=(redis_server.MISSING if redis_server.program() is None else "no Redis runs")
    + ": nox -s postgres starts one for these tests",
)

SWEPT = """
    import pytest

    @pytest.mark.fault_sweep({given})
    async def test_it(asgi_client):
        assert (await asgi_client.{call}).status_code == 200
"""

ASYNCPG = """
    import os
    from contextlib import asynccontextmanager
    import asyncpg
    from fastapi import FastAPI, HTTPException

    FAILED = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

    @asynccontextmanager
    async def lifespan(app):
        async with asyncpg.create_pool(
            os.environ["POSTGRESQL_URL"], min_size=1, max_size=3, command_timeout={timeout}
        ) as app.pool:
            await app.pool.execute("create table if not exists swept (id serial, text text)")
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/notes")
    async def add():
        try:
            async with app.pool.acquire() as connection, connection.transaction():
                await connection.execute("insert into swept (text) values ('a')")
                return await connection.fetchval("select count(*) from swept") > 0
        except FAILED:
            raise HTTPException(503)

    @app.get("/naive")
    async def naive():
        return await app.pool.fetchval("select 1")
"""

PSYCOPG = """
    import os
    import psycopg
    from fastapi import FastAPI, HTTPException

    app = FastAPI()

    @app.post("/notes")
    async def add():
        {handled}:
            async with await psycopg.AsyncConnection.connect(
                os.environ["POSTGRESQL_URL"], connect_timeout=5
            ) as connection:
                cursor = await connection.execute("select 1")
                return (await cursor.fetchone())[0]
        {otherwise}
"""

BOTH = """
    import os
    from contextlib import asynccontextmanager
    import asyncpg
    import redis.asyncio
    from fastapi import FastAPI, HTTPException
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    @asynccontextmanager
    async def lifespan(app):
        app.cache = redis.asyncio.Redis(
            host="127.0.0.1", port=int(os.environ["REDIS_PORT"]), socket_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        async with asyncpg.create_pool(
            os.environ["POSTGRESQL_URL"], min_size=1, max_size=3, command_timeout=5
        ) as app.pool:
            yield
        await app.cache.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/both")
    async def both():
        try:
            {body}
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, redis.RedisError):
            raise HTTPException(503)
"""
KEPT = """connection = await app.pool.acquire()
            found = await app.cache.get("a") or await connection.fetchval("select 1")
            await app.pool.release(connection)
            return found"""
GIVEN_BACK = """async with app.pool.acquire() as connection:
                return await app.cache.get("a") or await connection.fetchval("select 1")"""


@pytest.fixture
def swept(pytester):
    """Run a sweep of this call of this app."""

    def run(app, call, given=""):
        pytester.makepyfile(shopapp=app, test_swept=SWEPT.format(given=given, call=call))
        pytester.makeini(
            "[pytest]\nasyncfastapi_app = shopapp:app\nfilterwarnings = error\npythonpath = .\n"
            "asyncio_default_fixture_loop_scope = function"
        )
        return pytester.runpytest("-v", "-p", "no:cacheprovider")

    return run


@on_postgresql
def test_a_transaction_by_asyncpg(swept):
    """`BEGIN` to `COMMIT`: a sound endpoint answers 503 to each, and its pool serves again."""
    pytest.importorskip("asyncpg")
    sound = swept(ASYNCPG.format(timeout=5), 'post("/notes")')
    sound.assert_outcomes(passed=1)
    sound.stdout.fnmatch_lines(
        [
            "*points, 0 bad*",
            "     1 = BEGIN postgresql://127.0.0.1:*  shopapp.py:*",
            "* = INSERT postgresql://127.0.0.1:*",
            "* = COMMIT postgresql://127.0.0.1:*",
        ]
    )
    assert "exc!" not in sound.stdout.str()
    assert "503" in sound.stdout.str()


@on_postgresql
def test_a_query_without_a_timeout_and_without_a_handler(swept):
    pytest.importorskip("asyncpg")
    naive = swept(ASYNCPG.format(timeout=None), 'get("/naive")')
    naive.assert_outcomes(failed=1)
    naive.stdout.fnmatch_lines(
        [
            "fault sweep: unhandled when PREPARE SELECT postgresql://*",
            "*GET /naive raised ConnectionDoesNotExistError: *",
            "fault sweep: no timeout when * postgresql://* meets slow",
            "*asyncpg.create_pool(command_timeout=5)*",
        ]
    )


@on_postgresql
def test_psycopg(swept):
    """Its statements too; the connection is opened by libpq."""
    pytest.importorskip("psycopg")
    sound = swept(
        PSYCOPG.format(
            handled="try",
            otherwise="except (psycopg.Error, TimeoutError):\n            raise HTTPException(503)",
        ),
        'post("/notes")',
        'faults=["reset", "refused"]',
    )
    sound.assert_outcomes(passed=1)
    sound.stdout.fnmatch_lines(["* = connect postgresql://*", "* = SELECT postgresql://*"])
    naive = swept(
        PSYCOPG.format(handled="if True", otherwise=""), 'post("/notes")', 'faults=["reset"]'
    )
    naive.assert_outcomes(failed=1)
    naive.stdout.fnmatch_lines(["fault sweep: unhandled when SELECT postgresql://*"])


@on_postgresql
@on_redis
def test_a_connection_of_the_pool_that_is_lost_when_the_cache_fails(swept):
    """Held while the cache is asked, and given back only where all goes well."""
    pytest.importorskip("asyncpg")
    pytest.importorskip("redis")
    lost = swept(BOTH.format(body=KEPT), 'get("/both")', 'only="redis://*", faults=["reset"]')
    lost.assert_outcomes(failed=1)
    lost.stdout.fnmatch_lines(
        [
            "fault sweep: pool connection lost when GET redis://127.0.0.1:*",
            "*what was taken from a *Queue at shopapp.py:*",
        ]
    )
    sound = swept(BOTH.format(body=GIVEN_BACK), 'get("/both")')
    sound.assert_outcomes(passed=1)
