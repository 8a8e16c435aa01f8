"""What is not reported: set-up, a library's first use, a sync TestClient."""

from __future__ import annotations

import sys
import time

import pytest
from fastapi import FastAPI, Request, WebSocket
from starlette.testclient import TestClient

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
STRICT = ("--asyncfastapi-blocking=fail", "--asyncfastapi-blocking-profile=strict")
PREPARED = """
import time
import pytest

@pytest.fixture
async def settings(tmp_path, anyio_backend):
    path = tmp_path / "settings"
    path.write_text("x")
    {early}
    yield path.read_text()
    {late}

{fixtures}
async def test_it({names}):
    {body}
"""


def prepared(pytester: pytest.Pytester, **parts: str) -> pytest.RunResult:
    """Run one test and its fixtures, written with these parts."""
    given = dict.fromkeys(("early", "late", "body"), "pass") | {"fixtures": "", "names": "settings"}
    pytester.makeini(INI)
    pytester.makepyfile(PREPARED.format(**(given | parts)))
    return pytester.runpytest_inprocess(*STRICT)


def test_what_a_fixture_reads_and_builds_is_not_reported(pytester):
    """No request is served: as in the start-up of an app."""
    prepared(pytester).assert_outcomes(passed=1)


def test_what_the_body_reads_is_reported(pytester):
    result = prepared(pytester, names="tmp_path", body="(tmp_path / 'x').write_text('x')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*blocking call: *", "*(tmp_path / 'x').write_text('x')*"])


@pytest.mark.parametrize(("part", "outcomes"), [("early", {"failed": 1}), ("late", {"errors": 1})])
def test_a_fixture_that_waits_is_reported(pytester, part, outcomes):
    """A sleep in a fixture makes a suite slow."""
    result = prepared(pytester, **{part: "time.sleep(0.01)"})
    result.assert_outcomes(passed=int(part == "late"), **outcomes)
    result.stdout.fnmatch_lines(["*blocking call: time.sleep*"])


def test_a_request_made_by_a_fixture_is_judged_as_the_apps(pytester):
    """A request is a request, whoever makes it."""
    pytester.makeconftest(
        """
        import pytest
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        async def home():
            with open(__file__) as file:
                return file.read()[:1]

        @pytest.fixture
        def asgi_app():
            return app

        @pytest.fixture
        async def known(asgi_client):
            return (await asgi_client.get("/")).json()
        """
    )
    result = prepared(pytester, names="known")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*blocking call: open(*", "*GET /*"])


LIBRARY = """
def use():
    import slow_part
"""
SLOW = """
import time
end = time.thread_time() + 0.15
while time.thread_time() < end:
    sum(range(10_000))
"""


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_what_a_library_imports_at_its_first_use_in_a_test_only_warns(
    watch, tmp_path, monkeypatch, profile
):
    """The test's body has no import statement to move; in a request it may be slow."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "lazy_library.py").write_text(LIBRARY)
    (packages / "slow_part.py").write_text(SLOW)
    monkeypatch.syspath_prepend(packages)
    import lazy_library

    async def test_it():
        lazy_library.use()

    try:
        (found,) = watch(test_it, profile=profile).findings()
    finally:
        del sys.modules["slow_part"], sys.modules["lazy_library"]
    assert (found.data["category"], found.severity) == ("import", "warning")
    assert found.title.startswith("blocking call: import slow_part held")
    assert found.where.source == "lazy_library.use()"
    assert "where the app starts" in found.remedy


def test_the_users_own_slow_import_fails(watch, tmp_path, monkeypatch):
    (tmp_path / "slow_part.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)

    async def test_it():
        import slow_part  # noqa: F401

    try:
        (found,) = watch(test_it).findings()
    finally:
        del sys.modules["slow_part"]
    assert (found.data["category"], found.severity) == ("import", "error")


app = FastAPI()


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


@app.post("/file")
async def upload(request: Request):
    return len(await request.body())


@app.get("/slow")
async def slow():
    time.sleep(0.01)


def test_a_sync_testclient_in_an_async_test_is_not_reported(watch, tmp_path):
    """It runs the app on a thread of its own and waits for it: the test's own decision."""
    big = tmp_path / "big"
    big.write_bytes(b"x" * 100_000)
    client = TestClient(app)
    opened = big.open("rb")

    async def test_it():
        with client:
            with client.websocket_connect("/ws") as socket:
                socket.send_text("hi")
                assert socket.receive_text() == "hi"
            assert client.post("/file", content=opened).json() == 100_000

    with opened:
        found = watch(test_it, profile="strict").findings()
    assert [item.title for item in found] == []


@app.get("/settings")
async def settings():
    with open(__file__) as source:  # noqa: ASYNC230 - what is found
        return len(source.read())


@pytest.mark.parametrize(
    ("path", "name"), [("/slow", "time.sleep"), ("/settings", "open"), ("/settings", "file.read")]
)
def test_the_app_below_a_testclient_is_reported(watch, path, name):
    async def test_it():
        TestClient(app).get(path)

    titles = [found.title for found in watch(test_it, profile="strict").findings()]
    assert any(title.startswith(f"blocking call: {name}") for title in titles), titles


CPU_JUDGES = (
    "end = time.thread_time() + 0.4\n    while time.thread_time() < end: sum(range(10_000))"
)


def test_what_the_body_computes_in_its_last_step_is_reported(pytester):
    """It ends with the body, though the step of the loop goes on with what the fixtures do."""
    result = prepared(pytester, body=CPU_JUDGES)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*blocking computation: *"])


def test_what_a_fixture_computes_is_not_reported(pytester):
    prepared(pytester, late=CPU_JUDGES).assert_outcomes(passed=1)


BUILDING = """
import contextlib

import pytest
import sqlalchemy
from fastapi import APIRouter, FastAPI
from pydantic import create_model

TABLES = sqlalchemy.MetaData()
sqlalchemy.Table("items", TABLES, sqlalchemy.Column("id", sqlalchemy.Integer))


def build():
    router = APIRouter()
    for number in range(40):
        fields = {{f"field_{{index}}": (int, 1) for index in range(20)}}
        model = create_model(f"Model{{number}}", **fields)

        @router.post(f"/items/{{number}}")
        async def add(item: model) -> model:
            return item

    made = FastAPI(lifespan=lifespan)
    made.include_router(router)
    return made


@contextlib.asynccontextmanager
async def lifespan(app):
    engine = sqlalchemy.create_engine("sqlite:///items.db")
    TABLES.create_all(engine)
    yield
    engine.dispose()


@pytest.fixture
def asgi_app():
    return build()


@pytest.fixture
def built():
    return build()


{test}
"""
LOW = ("-q", "-p", "no:cacheprovider", "-o", "asyncfastapi_cpu_threshold=20ms")


@pytest.mark.parametrize("profile", ["default", "strict"])
@pytest.mark.parametrize(
    "test",
    [
        "async def test_it(blocking):\n    build().openapi()",
        "async def test_it(blocking, built):\n    assert built.routes",
    ],
)
def test_an_app_that_the_test_builds_is_start_up(pytester, test, profile):
    """In the body as in a fixture: no request is served meanwhile."""
    pytester.makeini(INI)
    pytester.makepyfile(BUILDING.format(test=test))
    result = pytester.runpytest_subprocess(*LOW, f"--asyncfastapi-blocking-profile={profile}")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*held the event loop*")


def test_what_a_request_builds_is_reported(pytester):
    """The same work, in the first request for the documentation."""
    pytester.makeini(INI)
    test = "async def test_it(asgi_client):\n    await asgi_client.get('/openapi.json')"
    pytester.makepyfile(BUILDING.format(test=test))
    result = pytester.runpytest_subprocess(*LOW)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*held the event loop*", "*GET /openapi.json*"])


def test_what_the_test_computes_itself_is_reported(pytester):
    """The body is watched as before."""
    pytester.makeini(INI)
    test = (
        "import time\n\nasync def test_it(blocking):\n    end = time.thread_time() + 0.1\n"
        "    while time.thread_time() < end:\n        pass"
    )
    pytester.makepyfile(BUILDING.format(test=test))
    pytester.runpytest_subprocess(*LOW).assert_outcomes(failed=1)


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_tables_made_by_the_lifespan_only_warn(pytester, profile):
    """No request waits for them yet; in a request the same driver fails."""
    pytester.makeini(INI)
    test = (
        "async def test_it(asgi_client):\n    await asgi_client.get('/')\n"
        "async def test_query(asgi_app, asgi_client):\n"
        "    @asgi_app.get('/items')\n    async def items():\n"
        "        with sqlalchemy.create_engine('sqlite:///items.db').connect() as connection:\n"
        "            return connection.execute(sqlalchemy.text('select 1')).scalar()\n"
        "    assert (await asgi_client.get('/items')).json() == 1"
    )
    pytester.makepyfile(BUILDING.format(test=test))
    flags = ("-q", "-p", "no:cacheprovider", f"--asyncfastapi-blocking-profile={profile}")
    result = pytester.runpytest_subprocess(*flags)
    default = profile == "default"
    result.assert_outcomes(passed=int(default), failed=1 if default else 2)
    result.stdout.fnmatch_lines(["*sqlalchemy.MetaData.create_all*", "*in lifespan*"])


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_tables_made_by_a_fixture_only_warn(pytester, profile):
    """Neither before the test nor after it; what the test itself asks is reported."""
    pytester.makeini(INI)
    pytester.makepyfile("""
        import pytest, pytest_asyncio, sqlalchemy

        engine = sqlalchemy.create_engine("sqlite:///items.db")
        metadata = sqlalchemy.MetaData()
        sqlalchemy.Table("items", metadata, sqlalchemy.Column("id", sqlalchemy.Integer))

        @pytest_asyncio.fixture
        async def tables():
            metadata.create_all(engine)
            yield
            metadata.drop_all(engine)

        async def test_it(tables):
            pass

        async def test_query(tables):
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("select * from items"))
        """)
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "--asyncfastapi-blocking=fail",
        f"--asyncfastapi-blocking-profile={profile}",
    )  # fmt: skip
    default = profile == "default"
    result.assert_outcomes(
        passed=int(default), failed=1 if default else 2, errors=0 if default else 2
    )
    result.stdout.fnmatch_lines(
        ["*sqlalchemy.MetaData.create_all*", "*metadata.create_all(engine)*"]
    )


BESIDE_A_RUN = """
import time
import pytest

@pytest.fixture(scope="module")
def anyio_backend():
    return "{backend}"

@pytest.fixture(scope="module")
async def server(anyio_backend):
    yield "server"

@pytest.fixture
def rows(server):
    time.sleep(0.06)

def test_function(server):
    time.sleep(0.06)

@pytest.mark.anyio
async def test_fixture(rows):
    pass

@pytest.mark.anyio
async def test_coroutine(server):
    time.sleep(0.06)
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_runs_between_the_steps_of_a_loop_does_not_block_it(pytester, backend):
    """anyio's runner keeps a run of trio in its thread as long as one of its fixtures lives."""
    pytest.importorskip(backend)
    pytester.makeini(INI)
    pytester.makepyfile(BESIDE_A_RUN.format(backend=backend))
    result = pytester.runpytest_inprocess("--asyncfastapi-blocking=fail")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_coroutine*"])
