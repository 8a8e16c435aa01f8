"""What a disconnect sweep reports, and what it does not: each bug beside its sound twin."""

from __future__ import annotations

import pytest

from pytest_asyncfastapi._explore import await_steps

MARKED = """
@pytest.mark.disconnect_sweep
async def test_it(asgi_client):
    assert (await asgi_client.get("/")).status_code == 200
"""
CANCELLED = MARKED.replace("sweep", 'sweep(modes="cancel")')
LOGIN = """
users = []

@app.post("/login")
async def login():
    users.append(1)
    await asyncio.sleep(0)
    {step}
    users.append(2)

@app.get("/")
async def index():
    await asyncio.sleep(0.1)
    return len(users)
"""
LOGIN_TESTS = """
@pytest.fixture
async def logged_in(asgi_client):
    shopapp.users.clear()
    assert (await asgi_client.post("/login")).status_code == 200
    yield
    assert (await asgi_client.post("/login")).status_code == 200

@pytest.mark.disconnect_sweep({given})
async def test_it(asgi_client, logged_in):
    assert (await asgi_client.get("/")).json() == 2
"""


def test_requests_of_fixtures_are_not_cut(project) -> None:
    result = project(LOGIN.format(step="pass"), LOGIN_TESTS.format(given="")).runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["disconnect sweep of *: 3 points, 0 bad*", "  GET / -> 200*"])
    result.stdout.no_fnmatch_line("*POST /login*")


def test_requests_of_fixtures_are_cut_where_that_is_asked_for(project) -> None:
    tests = LOGIN_TESTS.format(given="setup=True")
    result = project(LOGIN.format(step="pass"), tests).runpytest("-v")
    result.stdout.fnmatch_lines(["  POST /login -> 200: 1 await*"])


MIDDLEWARE = """
@app.middleware("http")
async def plain(request, call_next):
    {before}
    try:
        return await call_next(request)
    except anyio.get_cancelled_exc_class():
        {caught}
        raise

@app.get("/")
async def index():
    await asyncio.sleep(1)
    return 1
"""


def test_what_middleware_of_starlette_raises_when_it_is_cut_is_not_the_apps(project) -> None:
    app = MIDDLEWARE.format(before="pass", caught="pass")
    result = project(app, MARKED).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*No response returned*")


SEATED = """
from starlette.middleware.base import BaseHTTPMiddleware

class Plain(BaseHTTPMiddleware):
    pass

seats = []
app.add_middleware(Plain, dispatch=lambda request, call_next: call_next(request))

@app.get("/")
async def index():
    seats.append(1)
    await asyncio.sleep(1)
    seats.clear()
"""


def test_below_middleware_the_line_of_the_handler_is_named(project) -> None:
    """Its task is another one than that which is cut."""
    tests = """
def nobody_sits():
    assert shopapp.seats == []
""" + MARKED.replace("sweep", "sweep(invariant=nobody_sits)")
    result = project(SEATED, tests).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["disconnect sweep: side effect when the client leaves, * at shopapp.py:*",
         "              await asyncio.sleep(1)"]
    )  # fmt: skip


def test_what_middleware_of_the_app_raises_when_it_is_cut_is(project) -> None:
    app = MIDDLEWARE.format(before="pass", caught="raise LookupError('no session') from None")
    result = project(app, MARKED).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*raised LookupError: no session as it was cut*"])


SWALLOWING = """
@app.get("/")
async def index():
    try:
        await asyncio.sleep(1)
    except {caught}:
        {then}
    return 1
"""


def test_a_cancellation_that_is_answered_is_listed(project) -> None:
    app = SWALLOWING.format(caught="asyncio.CancelledError", then="pass")
    result = project(app, MARKED).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["warn  disconnect sweep: cancel swallowed when *the handler is cancelled*",
         "      shopapp.py:*  await asyncio.sleep(1)"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("caught", "then"), [("Exception", "pass"), ("asyncio.CancelledError", "raise")]
)
def test_a_cancellation_that_passes_is_not(project, caught: str, then: str) -> None:
    result = project(SWALLOWING.format(caught=caught, then=then), MARKED).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*sweep: cancel swallowed*")


STUBBORN = """
@app.get("/")
async def index():
    while True:
        try:
            await asyncio.sleep(0.001)
            return 1
        except {caught}:
            {then}
"""
TRIO = (
    """
@pytest.fixture
def anyio_backend():
    return "trio"
"""
    + MARKED
)


@pytest.fixture
def soon_hung(monkeypatch):
    """After a tenth of the processor time that a user's handler is given."""
    monkeypatch.setattr(await_steps, "_MAX_CANCEL_CPU", 0.1)


@pytest.mark.usefixtures("soon_hung")
@pytest.mark.parametrize("caught", ["asyncio.CancelledError", "BaseException"])
def test_a_handler_that_catches_every_cancellation_is_ended(project, caught: str) -> None:
    """The test ends, and the handler is named."""
    app = STUBBORN.format(caught=caught, then="continue")
    result = project(app, MARKED.replace("sweep", 'sweep(modes="cancel_always")')).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["disconnect sweep: hung when the handler is cancelled for good at *",
         "*GET / caught every cancellation, and was ended by*"]
    )  # fmt: skip


@pytest.mark.usefixtures("soon_hung")
@pytest.mark.parametrize("caught", ["trio.Cancelled", "BaseException"])
@pytest.mark.parametrize("mode", ["leave", "cancel_always"])
def test_on_trio_such_a_handler_is_ended_too(project, caught: str, mode: str) -> None:
    app = "import trio\n" + STUBBORN.format(caught=caught, then="continue")
    app = app.replace("asyncio.sleep(0.001)", "trio.sleep(1)")
    tests = TRIO.replace("sweep", f'sweep(modes="{mode}")')
    result = project(app, tests).runpytest(f"--asyncfastapi-replay=disconnect:1.1:{mode}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["disconnect sweep: hung when *", "*GET / caught every cancel*"])


def test_on_trio_a_handler_that_passes_its_cancellation_on_is_not_hung(project) -> None:
    app = "import trio\n" + STUBBORN.format(caught="trio.Cancelled", then="raise")
    app = app.replace("asyncio.sleep(0.001)", "trio.sleep(1)")
    result = project(app, TRIO).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*sweep: hung*")


def test_a_handler_that_passes_its_cancellation_on_is_not_hung(project) -> None:
    app = STUBBORN.format(caught="asyncio.CancelledError", then="raise")
    result = project(app, MARKED.replace("sweep", 'sweep(modes="cancel_always")')).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*sweep: hung*")


DATABASE = """
import aiosqlite
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

@asynccontextmanager
async def lifespan(app):
    engine = create_async_engine("sqlite+aiosqlite:///{path}")
    async with engine.begin() as connection:
        await connection.execute(text("create table if not exists users (id integer)"))
    app.state.sessions = async_sessionmaker(engine)
    yield
    await engine.dispose()

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def index():
    async with app.state.sessions() as session:
        {drop}
        return len(list(await session.execute(text("select * from users"))))
"""


def test_a_database_in_memory_that_went_with_its_connection_is_no_error(project) -> None:
    result = project(DATABASE.format(path=":memory:", drop="pass"), CANCELLED).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*sweep: broken afterwards*")


def test_a_table_that_the_app_has_dropped_is_broken_afterwards(project, tmp_path) -> None:
    drop = (
        'await session.execute(text("drop table users")); await session.commit(); '
        'await session.execute(text("create table users (id integer)"))'
    )
    path = tmp_path / "shop.db"
    result = project(DATABASE.format(path=path, drop=drop), CANCELLED).runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*disconnect sweep: broken afterwards when *"])


LONG_POLL = """
waiting = asyncio.Event()

@app.get("/")
async def index():
    {wait}
    return 1

@app.post("/message")
async def message():
    waiting.set()
"""
LONG_POLL_TEST = """
@pytest.mark.disconnect_sweep
async def test_it(asgi_client):
    shopapp.waiting = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asgi_client.get("/"))
        await asyncio.sleep(0.1)
        await asgi_client.post("/message")
        shopapp.waiting = asyncio.Event()
"""


def test_what_waits_after_the_clean_run_too_is_not_stuck(project) -> None:
    """A long poll sent once more waits for a message that nobody sends."""
    app = LONG_POLL.format(wait="await waiting.wait()")
    result = project(app, "import asyncio\n" + LONG_POLL_TEST).runpytest()
    result.stdout.no_fnmatch_line("*sweep: stuck*")


GENERATED = """
kept, given_back = [], []

async def rows():
    try:
        for number in range(2):
            await asyncio.sleep(0)
            yield number
    finally:
        given_back.append("cursor")

@app.get("/")
async def index():
    {begin}
        first = await anext(it)
        await asyncio.sleep(1)
    {end}
    return first
"""


@pytest.mark.parametrize("leaks", ["warn", "off"])
def test_a_generator_whose_cleanup_never_ran_is_reported(project, leaks: str) -> None:
    """With the line that began it, whether leaks are watched or not."""
    app = GENERATED.format(
        begin="it = rows()\n    kept.append(it)\n    if True:", end="await it.aclose()"
    )
    result = project(app, CANCELLED).runpytest("-o", f"asyncfastapi_leaks={leaks}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["disconnect sweep: cleanup not run when the handler is cancelled at shopapp.py:*",
         "              first = await anext(it)"]
    )  # fmt: skip
    result.stdout.no_fnmatch_line("*not closed*")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        pytest.param(
            "async with contextlib.aclosing(rows()) as it:", "kept.append(it)", id="closed"
        ),
        # Its loop closes it as soon as nobody has it any more.
        pytest.param("it = rows()\n    if True:", "await it.aclose()", id="given up"),
    ],
)
def test_a_generator_that_is_closed_is_not(project, begin: str, end: str) -> None:
    tests = """
def given_back():
    assert shopapp.given_back == ["cursor"]

@pytest.fixture(autouse=True)
def fresh():
    shopapp.given_back.clear()
""" + MARKED.replace("sweep", "sweep(invariant=given_back, again=False)")
    app = "import contextlib\n" + GENERATED.format(begin=begin, end=end)
    # Cut before it is begun, there is nothing to give back.
    app = app.replace("            await asyncio.sleep(0)\n", "")
    result = project(app, tests).runpytest()
    result.assert_outcomes(passed=1)


TASK = """
async def audit(session):
    await asyncio.sleep(0.5)
    if session.is_closed:
        raise LookupError("no session")

@app.get("/")
async def index():
    async with httpx.AsyncClient() as session:
        task = asyncio.create_task(audit(session))
        await asyncio.sleep(1)
        {wait}
    return 1
"""


def test_a_task_that_fails_after_the_cut_is_listed(project) -> None:
    """What it works with is closed under it, and nobody awaits it."""
    result = project(TASK.format(wait="await task"), CANCELLED).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["warn  disconnect sweep: lost background task when the handler is cancelled at *",
         "*the task audit() of GET /, which nobody awaits, failed:",
         "*LookupError: no session"]
    )  # fmt: skip


def test_a_task_that_ends_with_its_request_is_not(project) -> None:
    app = TASK.replace("task = asyncio.create_task", "task = tasks.create_task").replace(
        "    async with httpx.AsyncClient() as session:",
        "    async with httpx.AsyncClient() as session, asyncio.TaskGroup() as tasks:",
    )
    result = project(app.format(wait="pass"), CANCELLED).runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*lost background task*")
