"""Faults below asyncpg and psycopg, on a real PostgreSQL: `nox -s postgres` starts one."""

import asyncio
import os

import pytest

from pytest_asyncfastapi import VirtualClock
from tests import postgres

URL = os.environ.get("POSTGRESQL_URL", "")
pytestmark = pytest.mark.skipif(
    not URL,
    reason=(postgres.MISSING if postgres.programs() is None else "no PostgreSQL runs")
    + ": nox -s postgres starts one for these tests",
)
asyncpg = pytest.importorskip("asyncpg")
psycopg = pytest.importorskip("psycopg")


def run(call):
    async def main():
        clock = VirtualClock()
        clock.install()
        try:
            return await call(clock)
        finally:
            clock.uninstall()

    return asyncio.run(main())


def test_asyncpg(faults, log):
    """A pool with two connections, one of them idle: latency, timeout, reset, stall."""

    async def call(clock):
        async with asyncpg.create_pool(URL, min_size=2, max_size=2) as pool:
            assert await pool.fetchval("select 1") == 1
            faults.on("postgresql://*").latency("30s").first(1)
            assert await pool.fetchval("select 2") == 2
            assert clock.elapsed == 30.0
            faults.on(URL).reset().first(1)
            with pytest.raises(asyncpg.PostgresConnectionError):
                await pool.fetchval("select 3")
            faults.on(URL).close_after(5).first(1)
            with pytest.raises(asyncpg.PostgresConnectionError):
                await pool.fetchval("select 4")
            assert await pool.fetchval("select 5") == 5
        connection = await asyncpg.connect(URL, command_timeout=5)
        faults.on(URL).latency("30s").first(1)
        before = clock.elapsed
        with pytest.raises(TimeoutError):
            await connection.fetchval("select 6")
        assert clock.elapsed - before == 5.0
        connection.terminate()
        faults.on(URL).refused().first(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(URL)
        faults.on(URL).connect_timeout().first(1)
        before = clock.elapsed
        with pytest.raises(TimeoutError):
            await asyncpg.connect(URL, timeout=7)
        assert clock.elapsed - before == 7.0

    run(call)
    assert (faults.findings(), log) == ([], [])


def test_asyncpg_without_a_timeout(faults, log):
    """A query that nothing would end is a finding, at its line."""

    async def call(clock):
        connection = await asyncpg.connect(URL)
        faults.on("postgresql://*").stall().first(1)
        with pytest.raises(asyncpg.PostgresConnectionError):
            await connection.fetchval("select 1")
        assert clock.elapsed == 600.0

    run(call)
    (finding,) = log
    assert finding.where.source == 'await connection.fetchval("select 1")'
    assert "command_timeout=5" in finding.remedy


def test_psycopg(faults, log):
    """libpq's own socket; its errors are libpq's."""

    async def call(clock):
        connect = psycopg.AsyncConnection.connect
        connection = await connect(URL, autocommit=True)
        faults.on("postgresql://*").latency("30s").first(1)
        await connection.execute("select 1")
        assert clock.elapsed == 30.0
        faults.on(URL).stall().first(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await connection.execute("select 1")
        assert clock.elapsed == 37.0
        await connection.execute("select 1")
        assert log == []
        faults.on(URL).reset().first(1)
        with pytest.raises(psycopg.OperationalError, match="server closed the connection"):
            await connection.execute("select 1")
        faults.on(URL).refused().first(1)
        with pytest.raises(psycopg.OperationalError):
            await connect(URL)
        faults.on(URL).connect_timeout().first(1)
        before = clock.elapsed
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            await connect(URL, connect_timeout=7)
        assert clock.elapsed - before == 7.0
        stalled = await connect(URL)
        faults.on(URL).stall().first(1)
        with pytest.raises(psycopg.OperationalError):
            await stalled.execute("select 1")

    run(call)
    (finding,) = log
    assert finding.where.source == 'await stalled.execute("select 1")'
    assert faults.findings() == []
