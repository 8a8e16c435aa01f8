"""Faults below aiomysql and asyncmy, on a real MariaDB: `nox -s brokers`."""

import importlib.util
import time

import pytest

from tests import brokers

pytestmark = pytest.mark.skipif(
    bool(brokers.missing("mariadbd")), reason=brokers.missing("mariadbd")
)


DRIVERS = ("aiomysql", "asyncmy")


@pytest.fixture(scope="module")
def port():
    if not any(map(importlib.util.find_spec, DRIVERS)):
        pytest.skip(f"none of {', '.join(DRIVERS)} is installed: nox -s brokers")
    with brokers.mariadb() as port:
        yield port


@pytest.fixture(params=DRIVERS)
def driver(request):
    return pytest.importorskip(request.param)


@pytest.fixture
def run(driver, port):
    """Call `use(connect, ask, clock)` in virtual time; what was connected to is closed."""

    async def ask(connection, query="select 1"):
        async with connection.cursor() as cursor:
            await cursor.execute(query)
            return (await cursor.fetchone())[0]

    def run(use):
        opened = []

        async def connect(**options):
            connection = await driver.connect(
                host="127.0.0.1", port=port, user="root", password="", **options
            )
            opened.append(connection)
            return connection

        async def main(clock):
            try:
                return await use(connect, ask, clock)
            finally:
                for connection in opened:
                    connection.close()

        return brokers.in_virtual_time(main)

    return run


def test_latency_is_virtual(run, faults, log, port):
    """By the driver's name on a port that is not MySQL's own, compiled or not."""

    async def use(connect, ask, clock):
        connection = await connect()
        assert await ask(connection) == 1
        rule = faults.on("mysql://*").latency("30s").first(1)
        begun = time.perf_counter()
        assert await ask(connection, "select 2") == 2
        assert clock.elapsed == 30.0
        assert time.perf_counter() - begun < 15
        assert [hit.url for hit in rule.fired] == [f"mysql://127.0.0.1:{port}"]

    run(use)
    assert (faults.findings(), log) == ([], [])


@pytest.mark.parametrize("fault", ["reset", "close", "empty_reply", "close_after"])
def test_a_connection_that_is_cut_is_the_drivers_own_error(driver, run, faults, fault):
    async def use(connect, ask, clock):
        connection = await connect()
        cut = getattr(faults.on("mysql://*"), fault)
        cut(*([5] if fault == "close_after" else [])).first(1)
        with pytest.raises(driver.OperationalError, match="Lost connection"):
            await ask(connection)
        assert await ask(await connect()) == 1

    run(use)
    assert faults.findings() == []


def test_reset_comes_before_the_query_and_an_empty_reply_after_it(driver, run, faults):
    async def use(connect, ask, clock):
        other = await connect(autocommit=True)
        async with other.cursor() as cursor:
            await cursor.execute("create or replace table test.notes (text text)")
        left = []
        for fault in ("reset", "empty_reply"):
            connection = await connect(autocommit=True)
            getattr(faults.on("mysql://*"), fault)().first(1)
            with pytest.raises(driver.OperationalError):
                await ask(connection, "insert into test.notes values ('a')")
            left.append(await ask(other, "select count(*) from test.notes"))
        return left

    assert run(use) == [0, 1]


def test_connections_that_cannot_be_opened(driver, run, faults, port):
    async def use(connect, ask, clock):
        faults.on(f"tcp://127.0.0.1:{port}").refused().first(1)
        with pytest.raises(driver.OperationalError, match="Can't connect"):
            await connect()
        assert clock.elapsed == 0.0
        faults.on("mysql://*").connect_timeout().first(1)
        with pytest.raises(driver.OperationalError, match="Can't connect"):
            await connect(connect_timeout=7)
        assert clock.elapsed == 7.0

    run(use)
    assert faults.findings() == []


def test_the_timeout_of_a_query(driver, run, faults, log):
    """asyncmy has one of its own, aiomysql none; without one it is a finding."""
    own = driver.__name__ == "asyncmy"

    async def use(connect, ask, clock):
        if own:
            connection = await connect(read_timeout=4)
            faults.on("mysql://*").latency("30s").first(1)
            with pytest.raises(driver.OperationalError, match="read timeout"):
                await ask(connection)
            assert clock.elapsed == 4.0
        connection = await connect()
        assert log == []
        faults.on("mysql://*").stall().first(1)
        with pytest.raises(driver.OperationalError):
            await ask(connection)
        return clock.elapsed

    assert run(use) == (604.0 if own else 600.0)
    (finding,) = log
    assert finding.kind == "no-timeout"
    assert finding.where.source == "await cursor.execute(query)"


SWEPT = """
    import pytest

    @pytest.mark.fault_sweep(faults=["reset", "refused"])
    async def test_it(asgi_client):
        assert (await asgi_client.get("/notes")).status_code == 200
"""
APP = """
    import {driver}
    from fastapi import FastAPI, HTTPException

    app = FastAPI()

    @app.get("/notes")
    async def notes():
        {handled}:
            connection = await {driver}.connect(
                host="127.0.0.1", port={port}, user="root", password=""
            )
            try:
                async with connection.cursor() as cursor:
                    await cursor.execute("select 1")
                    return await cursor.fetchone()
            finally:
                connection.close()
        {otherwise}
"""


def test_a_sweep(driver, port, pytester):
    """An unhandled reset is a verdict, and none where the endpoint answers 503."""
    name = driver.__name__
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = notesapp:app\nfilterwarnings = error\npythonpath = .\n"
        "asyncio_default_fixture_loop_scope = function"
    )
    handled = {
        "handled": "try",
        "otherwise": f"except {name}.Error:\n            raise HTTPException(503)",
    }
    pytester.makepyfile(notesapp=APP.format(driver=name, port=port, **handled), test_swept=SWEPT)
    sound = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider")
    sound.assert_outcomes(passed=1)
    sound.stdout.fnmatch_lines(["* = connect mysql://127.0.0.1:*", "* = SELECT mysql://*"])
    careless = {"handled": "if True", "otherwise": ""}
    pytester.makepyfile(notesapp=APP.format(driver=name, port=port, **careless))
    naive = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider")
    naive.assert_outcomes(failed=1)
    naive.stdout.fnmatch_lines(
        ["fault sweep: unhandled when SELECT mysql://*", "*GET /notes raised OperationalError: *"]
    )
