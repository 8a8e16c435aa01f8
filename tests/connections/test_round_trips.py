"""What is recorded of exchanges with databases and caches, and who knows of it."""

import json

import pytest

from pytest_asyncfastapi._connections.statements import Commands, sql_command
from pytest_asyncfastapi._faults.connections import Place
from tests.connections.peer import running
from tests.connections.test_plugin import APP

pytest.importorskip("redis")


@pytest.fixture
def project(pytester, monkeypatch):
    with running() as peer:
        monkeypatch.setenv("PEER_PORT", str(peer.port))
        pytester.makepyfile(shop=APP)
        pytester.makeini("[pytest]\nasyncfastapi_app = shop:app\nfilterwarnings = error")
        pytester.syspathinsert()
        yield pytester


def test_upstream_has_them_and_counts_those_in_flight(project):
    """By command, line and request; from the app's start-up on. HTTP calls stay by themselves."""
    project.makepyfile(
        """
        import asyncio
        import pytest

        async def test_one(asgi_client, upstream):
            assert (await asgi_client.get("/visits")).status_code == 200
            assert upstream.exchanges == ()
            start, *_ = upstream.round_trips
            assert start.method == "connect" and start.where.function == "lifespan"
            call = upstream.round_trips[-1]
            assert call.method.startswith("INCR") and call.activity == "GET /visits"
            assert call.url.startswith("redis://127.0.0.1:") and call.library == "redis"
            assert (call.where.function, call.error) == ("visits", "")
            assert 0 <= call.duration < 5
            upstream.assert_max_in_flight(1, "redis://*")

        async def test_many(asgi_client, upstream, faults):
            faults.on("redis://*").latency("1s")
            await asyncio.gather(*(asgi_client.get("/visits") for _ in range(4)))
            upstream.assert_max_in_flight(4, "redis://*")
            upstream.assert_max_in_flight(0, "postgresql://*")
            upstream.assert_max_in_flight(0)
            with pytest.raises(AssertionError, match="4 exchanges with redis://.* at most 3"):
                upstream.assert_max_in_flight(3, "redis://*")
            last = upstream.round_trips[-1]
            assert dict(last.injected) == {"delay": 1.0} and "latency=1s" in last.fault

        async def test_lost(asgi_client, upstream, faults):
            faults.on("redis://*").reset()
            assert (await asgi_client.get("/visits")).status_code == 503
            assert upstream.round_trips[-1].error == "ConnectionResetError"

        async def test_a_timeout_of_the_drivers(asgi_client, upstream, faults):
            faults.on("redis://*").latency("30s").first(1)
            assert (await asgi_client.get("/visits")).status_code == 200
            late = next(call for call in upstream.round_trips if call.fault)
            assert (late.error, round(late.duration, 3)) == ("closed by the client", 2.0)

        async def test_no_server(asgi_client, upstream):
            with pytest.raises(ValueError, match="ftp:// is not known"):
                upstream.assert_max_in_flight(1, "ftp://x")
        """
    )
    project.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=5)


def test_load_counts_them(project):
    project.makepyfile(
        """
        async def test_load(asgi_client, load):
            report = await load(lambda: asgi_client.get("/visits"), n=20, concurrency=5)
            assert report.upstream_peak >= 1
        """
    )
    project.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_report_has_them(project):
    """Also of a test that has neither `upstream` nor `faults`."""
    project.makepyfile(
        """
        async def test_plain(asgi_client):
            await asgi_client.get("/visits")
        """
    )
    result = project.runpytest(
        "-p",
        "no:cacheprovider",
        "--asyncfastapi-json=r.json",
        "--asyncfastapi-html=r.html",
        "--asyncfastapi-trace=r.trace",
    )
    result.assert_outcomes(passed=1)
    text = (project.path / "r.json").read_text()
    calls = [call for call in _calls(json.loads(text)) if call["request"] is not None]
    assert [call["method"][:4] for call in calls] == ["INCR"]
    assert calls[0]["ended"] >= calls[0]["head"] >= calls[0]["started"]
    for name in ("r.html", "r.trace"):
        assert "INCR" in (project.path / name).read_text()


def _calls(value):
    if isinstance(value, dict):
        found = value.get("upstream")
        if isinstance(found, list):
            yield from found
        for each in value.values():
            yield from _calls(each)
    elif isinstance(value, list):
        for each in value:
            yield from _calls(each)


@pytest.mark.parametrize(
    ("package", "data", "method", "own"),
    [
        ("redis", b"*2\r\n$3\r\nget\r\n$6\r\nsecret\r\n", "GET", False),
        ("redis", b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", "HELLO", True),
        ("redis", b"rubbish", "exchange", False),
        ("asyncpg", b"\0\0\0\x08\0\x03\0\0user\0", "startup", True),
        ("asyncpg", b"\0\0\0\x08\x04\xd2\x16\x2f", "ssl", True),
        ("asyncpg", b"Q\0\0\0\x1a/* x */ select secret\0", "SELECT", False),
        ("asyncpg", b"Q\0\0\0\x1a-- x\n  COMMIT\0", "COMMIT", False),
        ("asyncpg", b"Q\0\0\0\x1aSELECT pg_advisory_unlock_all();\0", "SELECT", True),
        ("asyncpg", b"p\0\0\0\x0asecret\0", "exchange", True),
        ("asyncpg", b"B\0\0\0\x0a\0other\0", "EXECUTE", False),
        ("asyncpg", b"", "exchange", False),
        ("aiomysql", b"\x09\0\0\0\x03insert into x", "INSERT", False),
        ("aiomysql", b"\x09\0\0\x01login", "exchange", True),
        ("aiomysql", b"\x01\0\0\0\x0e", "PING", False),
        ("pymongo", b"\0" * 20 + b"\0\x30\0\0\0\x02find\0", "find", False),
        ("pymongo", b"\0" * 20 + b"\0\x30\0\0\0\x10hello\0", "hello", True),
        ("nats", b"PUB subject 5\r\n", "PUB", False),
        ("nats", b'CONNECT {"pass": "secret"}\r\n', "CONNECT", True),
        ("", b"secret words", "exchange", False),
    ],
)
def test_a_command_is_named_and_nothing_of_its_arguments(package, data, method, own):
    statement = Commands(Place(("db",), 1, package)).statement(data)
    assert (statement.method, statement.is_own) == (method, own)


def test_a_prepared_statement_is_known_by_its_query():
    commands = Commands(Place(("db",), 5432, "asyncpg"))
    assert commands.statement(b"P\0\0\0\x20one\0insert into x\0").method == "PREPARE INSERT"
    assert commands.statement(b"B\0\0\0\x20\0one\0").method == "INSERT"
    assert [sql_command(text) for text in ("  delete from x", b"update x", None)] == [
        *("DELETE", "UPDATE", "exchange")
    ]
