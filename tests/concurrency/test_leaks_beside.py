"""Loops, runs and threads beside the test's own: each leak is judged when its own loop ends."""

from __future__ import annotations

import re

import pytest

APP = """
from fastapi import FastAPI

app = FastAPI()
"""

HEAD = """
import asyncio, contextlib, threading
import anyio, pytest

kept = []

@contextlib.asynccontextmanager
async def resource():
    yield 1

async def feed():
    yield 1
    yield 2

async def begins_and_keeps():
    kept.append(feed())
    assert await anext(kept[-1]) == 1
"""


def run(projects, tests, *flags, plugins="asyncio", ini=""):
    return projects.run(
        "--asyncfastapi-leaks=fail", *flags, plugins=plugins, ini=ini, app=APP, test_it=HEAD + tests
    )


def blames(report, test):
    """Every test of the run is sound but this one, which has one finding."""
    bad = re.findall(r"^(?:FAILED|ERROR) test_it\.py::(\w+)", report.output, re.MULTILINE)
    assert bad == [test], report.output
    assert "1 finding that fails tests, 0 warnings" in report.output


# Other loops


def test_a_loop_in_a_thread_ends_while_a_generator_of_the_test_is_open(projects):
    """A sync wrapper of an async library has a loop of its own; what that leaves is found."""
    tests = """
async def test_sound():
    async with resource() as given:
        await asyncio.to_thread(asyncio.run, asyncio.sleep(0))
        await anyio.to_thread.run_sync(anyio.run, asyncio.sleep, 0)
        assert given == 1

async def test_left_in_the_thread():
    await asyncio.to_thread(asyncio.run, begins_and_keeps())
"""
    report = run(projects, tests)
    blames(report, "test_left_in_the_thread")
    told = report.finding(r"async generator not closed: feed\(\)")
    assert report.line("test_it.py", "await anext(kept[-1])") in told


def test_a_loop_in_a_thread_that_goes_on_is_not_over(projects):
    """A server in the background has its generators in the middle at any moment."""
    tests = """
@pytest.fixture(scope="module")
def server():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

def test_before(server):
    pass

async def test_sound(server):
    asyncio.run_coroutine_threadsafe(begins_and_keeps(), server).result()

async def test_left():
    await begins_and_keeps()
"""
    report = run(projects, tests)
    blames(report, "test_left")


def test_fixtures_on_a_wider_loop_than_the_test(projects):
    """pytest-asyncio gives a fixture and its test different loops; the test's ends first."""
    tests = """
import pytest_asyncio

@pytest_asyncio.fixture(loop_scope="session")
async def narrow():
    async with resource() as given:
        yield given

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def wide():
    async with resource() as given:
        yield given

@pytest.mark.asyncio
async def test_sound(narrow, wide):
    assert narrow == wide == 1

@pytest.mark.asyncio(loop_scope="module")
async def test_sound_too(narrow, wide):
    assert narrow == wide == 1

@pytest.mark.asyncio
async def test_left(narrow, wide):
    await begins_and_keeps()
"""
    report = run(projects, tests)
    blames(report, "test_left")


def test_marked_for_two_runners(projects):
    """The fixtures run in the loop of one and the body in that of the other."""
    tests = """
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def given():
    async with resource() as given:
        yield given

@pytest.mark.anyio
@pytest.mark.asyncio
async def test_sound(given):
    assert given == 1

@pytest.mark.anyio
@pytest.mark.asyncio
async def test_left(given):
    await begins_and_keeps()
"""
    report = run(projects, tests)
    blames(report, "test_left")


def test_what_a_task_of_a_wider_fixture_makes_is_the_fixtures(projects):
    """A worker that every test of the module shares goes on in the middle of its work."""
    tests = """
import pytest_asyncio
pytestmark = pytest.mark.asyncio(loop_scope="module")

async def work(queue):
    running = set()
    while True:
        job = await queue.get()
        running.add(asyncio.create_task(job()))

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def jobs():
    queue = asyncio.Queue()
    task = asyncio.create_task(work(queue))
    yield queue
    task.cancel()

async def consume():
    async for _ in feed():
        await asyncio.sleep(3600)

@pytest.mark.parametrize("n", [1, 2])
async def test_sound(jobs, n):
    await jobs.put(consume)
    await asyncio.sleep(0.01)

async def test_left(jobs):
    kept.append(asyncio.create_task(asyncio.sleep(3600)))
"""
    report = run(projects, tests)
    blames(report, "test_left")


# Threads of libraries


CONNECTION = """
import aiosqlite

open_ones = []

async def connect():
    open_ones.append(await aiosqlite.connect(":memory:"))
    return open_ones[-1]

def test_release():
    for connection in open_ones:
        connection.stop()
"""


@pytest.mark.parametrize("runner", ["anyio", "pytest-asyncio"])
def test_the_thread_of_a_connection_that_its_loop_still_has(projects, runner):
    """Opened by a fixture or by the first test that needs it, for all tests of a loop."""
    tests = """
{setup}
@{fixture}
async def connection():
    return await connect()

{mark}
async def test_of_the_fixture(connection):
    async with connection.execute("select 1") as rows:
        assert await rows.fetchone() == (1,)

{mark}
async def test_pooled():
    kept.append(await connect())

{mark}
async def test_left():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
"""
    if runner == "anyio":
        mark = "@pytest.mark.anyio"
        setup = "@pytest.fixture(scope='module')\ndef anyio_backend():\n    return 'asyncio'\n"
        fixture = 'pytest.fixture(scope="module")'
    else:
        mark = '@pytest.mark.asyncio(loop_scope="module")'
        setup = "import pytest_asyncio"
        fixture = 'pytest_asyncio.fixture(loop_scope="module", scope="module")'
    tests = tests.format(setup=setup, fixture=fixture, mark=mark)
    plugins = "" if runner == "anyio" else "asyncio"
    report = run(projects, tests + CONNECTION, plugins=plugins)
    blames(report, "test_left")


def test_the_thread_of_a_connection_whose_loop_has_ended(projects):
    """Nobody can close it any more."""
    tests = "async def test_left():\n    await connect()\n"
    report = run(projects, tests + CONNECTION)
    blames(report, "test_left")
    told = report.finding("thread still running")
    assert report.line("test_it.py", "aiosqlite.connect(") in told


# Warnings


GARBAGE = """
import gc, warnings
pytestmark = pytest.mark.anyio

class Holder:
    pass

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(autouse=True, scope="module")
def no_collection():
    # When one comes is chance, and what it warns of is the test's.
    gc.disable()
    yield
    gc.enable()

async def test_generator_in_a_cycle({fixtures}):
    holder = Holder()
    holder.me = holder
    holder.feed = feed()
    assert await anext(holder.feed) == 1

async def test_stream_in_a_cycle({fixtures}):
    holder = Holder()
    holder.me = holder
    holder.streams = anyio.create_memory_object_stream(1)
    await holder.streams[0].send(1)
"""


@pytest.mark.parametrize("mode", ["default", "warn", "fail"])
def test_watching_makes_no_runtime_warn(projects, mode):
    """Under `-W error` a test passes with the watch if it passes without."""
    fixtures = "asgi_client" if mode == "default" else ""
    flags = () if mode == "default" else (f"--asyncfastapi-leaks={mode}",)
    report = projects.run(
        *flags,
        "-W",
        "error",
        plugins="",
        app=APP,
        test_it=HEAD + GARBAGE.format(fixtures=fixtures),
    )
    report.outcome(passed=4)


def test_a_generator_that_is_held_on_trio_is_found_without_a_warning(projects):
    """By name, at its end, and by nothing of trio's."""
    tests = """
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "trio"

async def test_left():
    await begins_and_keeps()
"""
    report = run(projects, tests, "-W", "error", plugins="")
    blames(report, "test_left")
    assert "async generator not closed: feed()" in report.output
    assert "ResourceWarning" not in report.output


# Garbage


def test_a_coroutine_in_a_cycle_is_its_own_tests(projects):
    """Found before the collector comes, and not once more when it does."""
    tests = """
import gc

async def mail():
    pass

async def test_lost(asgi_client):
    box = [mail()]
    box.append(box)

async def test_kept(asgi_client):
    kept.append(mail())

async def test_next(asgi_client):
    gc.collect()

async def test_awaited_in_the_end(asgi_client):
    await kept.pop()
"""
    report = run(projects, tests)
    blames(report, "test_lost")
    assert report.line("test_it.py", "box = [mail()]") in report.finding("coroutine never awaited")


@pytest.mark.parametrize("how", ["tuple", "closure", "exception", "dict"])
def test_garbage_of_many_shapes(projects, how):
    """What leads back to the coroutine may be any object."""
    lost = {
        "tuple": "box = []; box.append((box, mail()))",
        "closure": "lost = mail()\n    def inner(): return inner, lost",
        "exception": "lost = fails(mail())",
        "dict": "class Box: pass\n    box = Box(); box.kept = {'box': box, 'lost': mail()}",
    }[how]
    tests = f"""
async def mail():
    pass

def fails(lost):
    try:
        raise ValueError
    except ValueError as error:
        cycle = [error, lost]
        error.cycle = cycle

async def test_lost(asgi_client):
    {lost}
"""
    report = run(projects, tests)
    blames(report, "test_lost")
    report.finding(r"coroutine never awaited: mail\(\)")


def test_a_coroutine_that_is_held_is_not_looked_at_in_each_test(projects):
    """To look at one takes as long as a small test does, and pytest keeps those it warned of."""
    tests = """
import gc
from pytest_asyncfastapi._concurrency import garbage

looks = []
is_garbage = garbage.is_garbage
garbage.is_garbage = lambda ref: looks.append(ref) or is_garbage(ref)

async def mail():
    pass

async def test_kept(asgi_client):
    kept.append(mail())

@pytest.mark.parametrize("number", range(5))
async def test_next(asgi_client, number):
    gc.disable()  # it stays among the newest objects

async def test_awaited_in_the_end(asgi_client):
    gc.enable()
    await kept.pop()
    garbage.is_garbage = is_garbage
    assert len(looks) == 1
"""
    report = run(projects, tests)
    assert "7 passed" in report.output, report.output
