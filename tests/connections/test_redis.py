"""Faults below an unmodified redis.asyncio, against a server on a real socket.

Of the test's own; or a real Redis, whose port `REDIS_PORT` has (`nox -s postgres`).
"""

import asyncio
import os
import socket
from types import SimpleNamespace

import pytest

from pytest_asyncfastapi import VirtualClock
from tests.connections.peer import running

redis = pytest.importorskip("redis.asyncio")
Retry = pytest.importorskip("redis.asyncio.retry").Retry
NoBackoff = pytest.importorskip("redis.backoff").NoBackoff


@pytest.fixture
def peer():
    if port := os.environ.get("REDIS_PORT"):
        yield SimpleNamespace(port=int(port))
        return
    with running() as server:
        yield server


def run(call, peer, *, host="127.0.0.1", retries=0, **options):
    """`call(client, clock)` in virtual time, with redis.asyncio's own retries off."""

    async def main():
        clock = VirtualClock()
        clock.install()
        client = redis.Redis(
            host=host,
            port=peer.port,
            protocol=2,
            retry=Retry(NoBackoff(), retries),
            **{"socket_timeout": None, **options},
        )
        try:
            return await call(client, clock)
        finally:
            await client.aclose()
            clock.uninstall()

    return asyncio.run(main())


def test_latency_is_virtual_time_and_real_answers_are_waited_for(peer, faults):
    """Each exchange of the pool's open connection takes it."""

    async def call(client, clock):
        assert await client.set("a", "1")
        assert clock.elapsed == 0.0
        rule = faults.on(f"redis://127.0.0.1:{peer.port}").latency("30s")
        assert await client.get("a") == b"1"
        assert clock.elapsed == 30.0
        assert await client.incr("a") == 2
        assert clock.elapsed == 60.0
        return rule

    rule = run(call, peer)
    assert rule.hits == 2
    assert [hit.url for hit in rule.fired] == [f"redis://127.0.0.1:{peer.port}"] * 2


def test_the_drivers_own_timeout_ends_it(peer, faults):
    """At its virtual second; a latency that is shorter than it does nothing."""

    async def call(client, clock):
        await client.set("a", "1")
        faults.on("redis://*").latency("1s").first(1)
        assert await client.get("a") == b"1"
        assert clock.elapsed == 1.0
        faults.on("redis://*").latency("30s").first(1)
        with pytest.raises(redis.TimeoutError):
            await client.get("a")
        assert clock.elapsed == 3.0
        assert await client.get("a") == b"1"

    run(call, peer, socket_timeout=2)


def test_a_reset_and_the_retry_after_it(peer, faults):
    """The command is not carried out; with a retry of the driver's own the app notices nothing."""

    async def call(client, clock):
        await client.set("n", "1")
        faults.on("redis://*").reset().first(1)
        with pytest.raises(redis.ConnectionError):
            await client.incr("n")
        return await client.incr("n")

    assert run(call, peer) == 2

    async def retried(client, clock):
        await client.set("n", "1")
        faults.on("redis://*").reset().first(1)
        return await client.incr("n")

    assert run(retried, peer, retries=1) == 2
    assert faults.findings() == []


def test_an_answer_that_is_lost_or_cut(peer, faults):
    """The server has carried the command out."""

    async def call(client, clock):
        await client.set("n", "1")
        faults.on("redis://*").empty_reply().first(1)
        with pytest.raises(redis.ConnectionError):
            await client.incr("n")
        assert await client.get("n") == b"2"
        await client.set("long", "x" * 100)
        faults.on("redis://*").close_after(20).first(1)
        with pytest.raises(redis.ConnectionError):
            await client.get("long")
        return await client.get("long")

    assert run(call, peer) == b"x" * 100


def test_bandwidth(peer, faults):
    """100 kB at 10 kB a second take 10 s."""

    async def call(client, clock):
        await client.set("long", "x" * 100_000)
        faults.on("redis://*").bandwidth("10KB/s").first(1)
        assert await client.get("long") == b"x" * 100_000
        return clock.elapsed

    assert run(call, peer) == pytest.approx(10, abs=0.1)


def test_a_stall_is_ended_by_a_timeout_or_is_a_finding(peer, faults, log):
    """The finding names the line of the app, and what to write."""

    async def bounded(client, clock):
        await client.ping()
        faults.on("redis://*").stall().first(1)
        with pytest.raises(redis.TimeoutError):
            await client.get("a")
        return clock.elapsed

    assert run(bounded, peer, socket_timeout=5) == 5.0
    assert log == []

    async def unbounded(client, clock):
        await client.ping()
        faults.on("redis://*").stall().first(1)
        with pytest.raises(redis.ConnectionError):
            await client.get("a")
        return clock.elapsed

    assert run(unbounded, peer, socket_timeout=None) == 600.0
    (finding,) = log
    assert finding.kind == "no-timeout"
    assert f"no timeout is set on an exchange with redis://127.0.0.1:{peer.port}" in finding.title
    assert finding.where.source == 'await client.get("a")'
    assert "socket_timeout=5" in finding.remedy


def test_a_stall_in_the_middle_of_an_answer(peer, faults):
    async def call(client, clock):
        await client.set("long", "x" * 100)
        faults.on("redis://*").stall(after_bytes=10).first(1)
        with pytest.raises(redis.TimeoutError):
            await client.get("long")
        return clock.elapsed

    assert run(call, peer, socket_timeout=4) == 4.0


def test_connections_that_cannot_be_opened(peer, faults):
    """Refused, no name, never answered: each as the system says it, at its virtual second."""

    async def call(client, clock):
        refused = faults.on(f"redis://localhost:{peer.port}").refused().first(1)
        with pytest.raises(redis.ConnectionError, match="Connect call failed"):
            await client.ping()
        faults.on(f"redis://localhost:{peer.port}").dns_error().first(1)
        with pytest.raises(redis.ConnectionError, match="Name or service not known"):
            await client.ping()
        faults.on(f"tcp://localhost:{peer.port}").connect_timeout().first(1)
        before = clock.elapsed
        with pytest.raises(redis.TimeoutError):
            await client.ping()
        assert clock.elapsed - before == 3.0
        assert await client.ping()
        assert refused.fired[0].method == "connect"

    run(call, peer, host="localhost", socket_connect_timeout=3)
    assert faults.findings() == []


def test_a_connect_without_a_timeout_is_a_finding(peer, faults, log):
    faults.on("tcp://127.0.0.1:*").connect_timeout().first(1)

    async def call(client, clock):
        with pytest.raises(redis.RedisError):
            await client.ping()

    run(call, peer, socket_connect_timeout=None, socket_timeout=None)
    (finding,) = log
    assert "no timeout is set on the connect" in finding.title
    assert finding.where.source == "await client.ping()"


def test_nothing_is_replaced_after_the_test(peer, faults, request):
    """And an open connection is the driver's own again."""

    async def call(client, clock):
        await client.set("a", "1")
        faults.on("redis://*").latency("5s").first(1)
        assert await client.get("a") == b"1"
        request.getfixturevalue("faults")
        from pytest_asyncfastapi._connections.intercept import CONNECTIONS

        for scope in list(CONNECTIONS._active):
            scope.deactivate()
        assert "create_connection" in asyncio.BaseEventLoop.__dict__
        assert asyncio.BaseEventLoop.create_connection.__module__ == "asyncio.base_events"
        assert not hasattr(asyncio.BaseEventLoop.create_connection, "__wrapped__")
        return await client.get("a")

    assert run(call, peer) == b"1"


def test_a_fault_that_never_strikes_says_which_connections_there_were(peer, faults):
    faults.on("redis://cache.internal:6379").reset()
    faults.on(f"redis://127.0.0.1:{peer.port}").dns_error()

    async def call(client, clock):
        await client.ping()

    run(call, peer)
    unused, powerless = faults.findings()
    assert unused.title == "connection fault never hit: redis://cache.internal:6379: reset"
    assert f"connections of this test: redis://127.0.0.1:{peer.port}" in unused.evidence
    assert "no name is resolved" in powerless.evidence


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("redis://*", True),
        ("redis://localhost", True),
        ("rediss://user:secret@localhost/0", True),
        ("tcp://*", True),
        ("tcp://127.0.0.*:*", True),
        ("redis://localhost:1", False),
        ("postgresql://*", False),
        ("redis://cache", False),
        ("unix://*", False),
        ("*", False),
        ("localhost", False),
    ],
)
def test_where(peer, faults, pattern, covered):
    """By the driver, the port, the host; a pattern of HTTP calls is none of connections."""
    rule = faults.on(pattern).latency("1s", optional=True)

    async def call(client, clock):
        await client.ping()

    run(call, peer)
    assert bool(rule.hits) is covered


def test_a_name_is_known_by_its_address_too(peer, faults, monkeypatch):
    """Of a driver that resolves names itself."""
    rule = faults.on("tcp://cache.test").refused()
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, *how: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
    )

    async def main():
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("cache.test", peer.port)
        with socket.socket() as sock, pytest.raises(ConnectionRefusedError):
            sock.setblocking(False)
            await loop.sock_connect(sock, found[0][4])

    asyncio.run(main())
    assert rule.hits == 1
