"""Password hashes and certificates: found by name, judged by their CPU time."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import sys

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy
from pytest_asyncfastapi._blocking.blocking_findings import severity_of
from pytest_asyncfastapi._blocking.cpu_time import counted_cpu_time
from pytest_asyncfastapi._blocking.dispatcher import DISPATCHER
from pytest_asyncfastapi._blocking.stack_analysis import analyze_stack
from pytest_asyncfastapi._core.activity import ACTIVITY, BODY, LIFESPAN
from pytest_asyncfastapi._core.frames import UserCode
from tests import pages
from tests.blocking.conftest import ROOT


def slow_hash() -> bytes:
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 600_000)


def quick_hash() -> bytes:
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1)


def app_of(function, *, at_start=None) -> Starlette:
    async def endpoint(request):
        function()
        return PlainTextResponse("done")

    async def lifespan(app):
        if at_start is not None:
            at_start()
        yield

    return Starlette(
        routes=[Route("/login", endpoint)], lifespan=contextlib.asynccontextmanager(lifespan)
    )


def guard_of_request(app, backend: str, **policy) -> BlockingGuard:
    """`GET /login` under a guard of its own."""
    guard = BlockingGuard(BlockingPolicy(**policy), UserCode(ROOT))

    async def main():
        async with open_app(app) as client:
            assert (await client.get("/login")).text == "done"

    uvloop = backend == "uvloop"
    with guard:
        anyio.run(
            main,
            backend="asyncio" if uvloop else backend,
            backend_options={"use_uvloop": True} if uvloop else None,
        )
    return guard


@pytest.mark.parametrize("backend", ["asyncio", "trio", "uvloop"])
@pytest.mark.parametrize("profile", ["default", "strict"])
def test_a_hash_in_a_request_fails_on_every_loop(backend, profile):
    pytest.importorskip(backend)
    (found,) = guard_of_request(app_of(slow_hash), backend, profile=profile).findings()
    assert (found.data["category"], found.severity) == ("cpu", "error")
    assert found.activity == "GET /login"
    assert found.where.function == "slow_hash"
    assert found.title.startswith("blocking computation: hashlib.pbkdf2_hmac held the event loop")
    assert "to_thread" in found.remedy
    assert guard_of_request(app_of(quick_hash), backend, profile=profile).calls == []


def test_a_hash_while_the_app_starts_is_not_reported():
    """That is where a secret is derived once."""
    assert guard_of_request(app_of(quick_hash, at_start=slow_hash), "asyncio").findings() == []


def test_in_mode_raise_the_request_ends_with_it():
    guard = guard_of_request(app_of(quick_hash), "asyncio", mode="raise")
    assert guard.findings() == []
    with pytest.raises(Exception, match="pbkdf2_hmac"):
        guard_of_request(app_of(slow_hash), "asyncio", mode="raise")


REQUEST = "GET /login"
SEEN = analyze_stack([], UserCode(ROOT), "")


@pytest.mark.parametrize(
    ("judge", "activity", "profile", "cost", "weight"),
    [
        ("hashes", REQUEST, "default", 0.02, "error"),
        ("hashes", REQUEST, "default", 0.019, "warning"),
        ("hashes", REQUEST, "strict", 0.004, "error"),
        ("hashes", BODY, "default", 0.3, "warning"),
        ("hashes", BODY, "default", 0.1, "silent"),
        ("hashes", BODY, "strict", 0.1, "error"),
        ("hashes", LIFESPAN, "strict", 0.5, "silent"),
        ("certificates", REQUEST, "default", 0.25, "error"),
        ("certificates", REQUEST, "default", 0.05, "warning"),
        ("certificates", REQUEST, "default", 0.049, "silent"),
        ("certificates", REQUEST, "strict", 0.002, "error"),
        ("certificates", BODY, "default", 0.3, "warning"),
        ("certificates", BODY, "default", 0.04, "silent"),
        ("certificates", LIFESPAN, "strict", 0.5, "silent"),
    ],
)
def test_the_severity(judge, activity, profile, cost, weight):
    policy = BlockingPolicy(profile=profile)
    assert severity_of("cpu", cost, policy, SEEN, activity, judge=judge) == weight


def test_a_setting_of_the_category_wins():
    for word, weight in (("off", "silent"), ("fail", "error")):
        policy = BlockingPolicy(categories=(("cpu", word),))
        assert severity_of("cpu", 0.001, policy, SEEN, BODY, judge="hashes") == weight


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_the_certificates_of_a_sync_client_do_not_hide_its_call(watch, profile):
    """`httpx.stream(...)` reads them, and then waits for the other side."""

    async def endpoint():
        ACTIVITY.set(REQUEST)
        with contextlib.suppress(httpx.ConnectError):
            with httpx.stream("GET", "http://127.0.0.1:9/"):
                pass

    found = [f for f in watch(endpoint, profile=profile).findings() if f.severity == "error"]
    assert {(f.data["category"], f.remedy[:10]) for f in found} == {("http", "async with")}
    assert all(f.data["name"].startswith("httpx.stream") for f in found)
    policy = BlockingPolicy(profile=profile)
    assert severity_of("http", 0.002, policy, SEEN, REQUEST, judge="certificates") == "error"


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        ({"time_cost": 3, "memory_cost": 65_536}, True),
        ({"time_cost": 2, "memory_cost": 19_456}, True),
        ({"time_cost": 5, "memory_cost": 7_168}, True),
        ({"time_cost": 1, "memory_cost": 8}, False),
        ({"hash": b"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"}, True),
        ({"hash": b"$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"}, False),
    ],
)
def test_argon2_is_judged_by_its_arguments(names, counts):
    """It computes in threads of its own: the calling thread's CPU time says nothing."""
    argon2 = pytest.importorskip("argon2")
    DISPATCHER.catalog.refresh()
    entry = DISPATCHER.catalog.find(argon2.low_level.lib.argon2_hash)

    class Frame:
        f_locals = names

    cost = counted_cpu_time(entry, Frame, cpu=0.0)
    assert (cost >= 0.02) == counts
    assert bool(cost) == counts


@pytest.mark.parametrize(("cpu", "counts"), [(0.0055, True), (0.0045, False)])
def test_a_hash_counts_from_5_ms_on(cpu, counts):
    """bcrypt with its least work factor takes up to 3 ms."""
    DISPATCHER.catalog.refresh()
    entry = DISPATCHER.catalog.find(hashlib.pbkdf2_hmac)
    assert counted_cpu_time(entry, sys._getframe(), cpu) == (cpu if counts else 0.0)


def test_a_client_built_in_a_request_is_named_with_the_right_remedy():
    def build() -> None:
        httpx.AsyncClient()

    def build_a_context() -> None:
        ssl.create_default_context()

    (client,) = guard_of_request(app_of(build), "asyncio", profile="strict").findings()
    assert client.where.source == "httpx.AsyncClient()"
    assert client.title.startswith("blocking computation: httpx.AsyncClient")
    assert client.remedy == "build the client once, in the lifespan, and share it between requests"
    (context,) = guard_of_request(app_of(build_a_context), "asyncio", profile="strict").findings()
    assert context.title.startswith("blocking computation: ssl.create_default_context")
    assert context.remedy.startswith("build the SSL context once")


@pytest.mark.parametrize(
    ("flags", "rounds"),
    [((), 3_000_000), (("--asyncfastapi-blocking-profile=strict",), 600_000)],
)
def test_fixtures_may_hash(pytester: pytest.Pytester, flags, rounds):
    """Nobody is served while a fixture runs; the body only warns, except in profile strict."""
    pytester.makeini(pages.INI)
    pytester.makepyfile(
        f"""
        import hashlib
        import pytest

        def slow_hash(rounds=600_000):
            return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", rounds)

        @pytest.fixture
        async def hashed():
            return slow_hash()

        async def test_fixture(blocking, hashed):
            pass

        async def test_body(blocking):
            slow_hash({rounds})
        """
    )
    result = pytester.runpytest_subprocess("-q", *flags)
    result.assert_outcomes(passed=1 if flags else 2, failed=1 if flags else 0)
    result.stdout.fnmatch_lines(["*hashlib.pbkdf2_hmac held the event loop for*"])


@pytest.mark.parametrize("method", ["stream", "get"])
def test_context_managers_of_sync_clients_have_their_own_name(watch, method):
    """And not that of the standard library's wrapper around them."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="x"))

    async def endpoint():
        ACTIVITY.set(REQUEST)
        with httpx.Client(transport=transport) as client:
            if method == "get":
                client.get("http://upstream/")
            else:
                with client.stream("GET", "http://upstream/"):
                    pass

    found = [f for f in watch(endpoint).findings() if f.data["category"] == "http"]
    assert [f.data["name"] for f in found] == [f"httpx.Client.{method}"]


def test_a_client_that_is_built_while_calls_are_mocked(pytester: pytest.Pytester) -> None:
    """What the mocking puts below the app's line does not hide it."""
    pytester.makepyfile(
        shopapp="""
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        async def home():
            async with httpx.AsyncClient() as http:  # HERE
                return (await http.get("https://up.example/")).json()
        """,
        test_it="""
        async def test_home(asgi_client, upstream):
            upstream.get("https://up.example/").respond(json={})
            await asgi_client.get("/")
        """,
    )
    pytester.makeini(
        "[pytest]\nasyncfastapi_app = shopapp:app\nasyncfastapi_blocking_profile = strict\n"
        "asyncfastapi_cpu_threshold = 1ms\nasyncfastapi_blocking_threshold = 1ms\n"
    )
    # A process of its own: the context is made once in each.
    result = pytester.runpytest_subprocess("-q", "-p", "no:asyncio", "-p", "no:cacheprovider")
    named = ["blocking comp*ssl.SSLContext.* held*", "  where     shopapp.py:*", "* # HERE"]
    result.stdout.fnmatch_lines(named, consecutive=True)
