"""Faults of dependencies as a user's suite has them: SQLAlchemy, markers, flags, findings."""

import textwrap

import pytest

APP = """
    from typing import Annotated, Any

    from fastapi import Depends, FastAPI, HTTPException
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
    import anyio

    engine = create_async_engine("sqlite+aiosqlite://")
    new_session = async_sessionmaker(engine)

    async def get_db():
        async with new_session() as session:
            yield session

    Db = Annotated[AsyncSession, Depends(get_db)]
    app = FastAPI()

    @app.exception_handler(OperationalError)
    async def unavailable(request, error):
        from fastapi.responses import JSONResponse
        return JSONResponse({"error": "database"}, 503)

    async def db_or_late():
        with anyio.fail_after(5):
            async with new_session() as session:
                yield session

    @app.get("/one")
    async def one(db: Db) -> int:
        return (await db.execute(text("select 1"))).scalar_one()

    @app.get("/budget")
    async def budget(db: Db) -> str:
        try:
            with anyio.fail_after(1):
                return str((await db.execute(text("select 1"))).scalar_one())
        except TimeoutError:
            return "late"
    """

HEAD = """
    import pytest
    from app import engine, get_db, new_session
    from sqlalchemy.exc import OperationalError

    pytestmark = pytest.mark.asyncfastapi(app="app:app")

    @pytest.fixture(autouse=True)
    async def dispose():
        yield
        await engine.dispose()
    """


@pytest.fixture
def suite(pytester):
    def run(body, *arguments, head=HEAD):
        pytester.makeini("[pytest]\nfilterwarnings = error\n")
        pytester.makepyfile(app=APP, test_it=textwrap.dedent(head) + textwrap.dedent(body))
        return pytester.runpytest("-p", "no:asyncio", *arguments)

    return run


def test_a_database_slow_and_down(suite):
    """Slow in virtual time, down at enter, slow in one method; then whole again."""
    suite(
        """
        async def test_slow(asgi_client, faults, clock):
            faults.dependency(get_db).latency("30s").first(1)
            assert (await asgi_client.get("/one")).json() == 1
            assert 30 <= clock.elapsed < 31
            assert (await asgi_client.get("/one")).json() == 1
            assert clock.elapsed < 31

        async def test_down(asgi_client, faults):
            faults.dependency(get_db).raises(OperationalError("select 1", {}, OSError())).first(1)
            assert (await asgi_client.get("/one")).status_code == 503
            assert (await asgi_client.get("/one")).json() == 1

        async def test_a_slow_statement_meets_the_budget(asgi_client, faults, clock):
            faults.dependency(get_db).on("execute").latency("30s").first(1)
            assert (await asgi_client.get("/budget")).json() == "late"
            assert 1 <= clock.elapsed < 2
            assert (await asgi_client.get("/budget")).json() == "1"

        async def test_a_statement_that_fails(asgi_client, faults):
            faults.dependency(get_db).on("execute").raises(
                OperationalError("select 1", {}, OSError()))
            assert (await asgi_client.get("/one")).status_code == 503

        async def test_the_commit_fails(asgi_client, faults):
            faults.dependency(get_db).raises(OperationalError("commit", {}, OSError()), at="exit")
            # What a server meets too: the answer is out, and the app's handler comes too late.
            with pytest.raises(RuntimeError, match="response already started"):
                await asgi_client.get("/one")

        async def test_nothing_stays(asgi_client):
            from app import app
            assert app.dependency_overrides == {}
            assert (await asgi_client.get("/one")).json() == 1
        """
    ).assert_outcomes(passed=6)


def test_with_overrides_in_any_order(suite):
    """What `overrides` puts there, before or after, gets the fault too, and nothing stays."""
    suite(
        """
        from app import app

        async def fake():
            async with new_session() as session:
                session.fake = True
                yield session

        async def test_before(overrides, faults, asgi_client, clock):
            overrides[get_db] = fake
            faults.dependency(get_db).latency("9s")
            await asgi_client.get("/one")
            assert clock.elapsed >= 9

        async def test_after(faults, asgi_client, overrides, clock):
            faults.dependency(get_db).latency("9s")
            overrides[get_db] = fake
            await asgi_client.get("/one")
            assert clock.elapsed >= 9

        async def test_by_hand(faults, asgi_client, clock):
            faults.dependency(get_db).latency("9s")
            app.dependency_overrides = {get_db: fake}
            await asgi_client.get("/one")
            assert clock.elapsed >= 9
            app.dependency_overrides.clear()

        async def test_nothing_stays(asgi_app):
            assert asgi_app.dependency_overrides == {}
        """
    ).assert_outcomes(passed=4)


def test_a_rule_that_never_hit_fails_the_test(suite):
    """As a fault of a call does; unless it is optional."""
    result = suite(
        """
        async def test_unused(asgi_client, faults):
            faults.dependency(get_db).latency("1s")

        async def test_spared(asgi_client, faults):
            faults.dependency(get_db).raises(OSError).nth(2)
            await asgi_client.get("/one")

        async def test_optional(asgi_client, faults):
            faults.dependency(get_db).latency("1s", optional=True)
            faults.dependency(get_db).on("rollback").raises(OSError).optional()
            await asgi_client.get("/one")
        """
    )
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*dependency fault never hit: dependency:app:get_db: latency=1s*",
            "*test_it.py:*",
            "*it was never asked for by a route that the test called*",
            "*dependency fault never hit: dependency:app:get_db: raises=OSError, nth=2*",
            "*its schedule selected none of the 1 that it saw*",
        ]
    )


def test_markers_and_flags(suite):
    """The one grammar; a flag's rule is optional in every test."""
    body = """
        @pytest.mark.faults("dependency:app:get_db: latency=9s, first=1")
        async def test_marked(asgi_client, clock):
            await asgi_client.get("/one")
            assert 9 <= clock.elapsed < 10

        async def test_flag(asgi_client, request):
            if not request.config.getoption("asyncfastapi_fault"):
                pytest.skip("only with the flag")
            with pytest.raises(TimeoutError):
                await asgi_client.get("/one")

        async def test_without_the_dependency(asgi_client):
            assert (await asgi_client.get("/nowhere")).status_code == 404
        """
    suite(body).assert_outcomes(passed=2, skipped=1)
    result = suite(
        body,
        "--asyncfastapi-fault",
        "dependency:app:get_db: raises=TimeoutError",
        "-k",
        "flag or without",
    )
    result.assert_outcomes(passed=2, deselected=1)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("dependency:app:get_dbb: latency=1s", "dependency:app:get_dbb: app has no 'get_dbb'"),
        ("dependency:app: latency=1s", "does not say which dependency"),
        (
            "dependency:app:get_db: raises=OperationalError",
            "'OperationalError' is not an",
        ),
    ],
)
def test_a_marker_that_cannot_be_is_a_sentence(suite, spec, sentence):
    """It says where it stands, and what is wrong."""
    result = suite(
        f"""
        @pytest.mark.faults({spec!r})
        async def test_marked(asgi_client):
            await asgi_client.get("/one")
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{sentence}*"])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_of_the_tests_own(pytester, backend):
    """Without `asgi_client` the app is known by `asgi_app`; on trio as on asyncio."""
    pytester.makepyfile(
        f"""
        import httpx
        import pytest
        from fastapi import Depends, FastAPI

        def get_answer():
            return 42

        app = FastAPI()

        @app.get("/")
        async def index(answer: int = Depends(get_answer)) -> int:
            return answer

        @pytest.fixture
        def anyio_backend():
            return "{backend}"

        @pytest.fixture
        def asgi_app():
            return app

        async def test_down(asgi_app, faults):
            faults.dependency(get_answer).raises(ConnectionError).first(1)
            transport = httpx.ASGITransport(app=asgi_app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                with pytest.raises(ConnectionError):
                    await client.get("/")
                assert (await client.get("/")).json() == 42

        def test_nothing_stays():
            assert app.dependency_overrides == {{}}
        """
    )
    pytester.runpytest("-p", "no:asyncio", "-p", "no:trio").assert_outcomes(passed=2)
