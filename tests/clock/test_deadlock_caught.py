"""A deadlock ends the wait with an error; whoever catches that error does not make it good."""

from __future__ import annotations

import pytest

APP = """
import anyio
from fastapi import FastAPI

app = FastAPI()

@app.get("/stuck")
async def stuck():
    await anyio.Event().wait()

@app.get("/catches")
async def catches():
    try:
        await anyio.Event().wait()
    except BaseException:
        return {}
"""

HEAD = """
from contextlib import suppress
import anyio, pytest

pytestmark = pytest.mark.anyio

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

cancelled = anyio.get_cancelled_exc_class
"""

CAUGHT = """
async def test_by_the_test(asgi_client, clock):
    with suppress(BaseException):
        await asgi_client.get("/stuck")

async def test_as_an_expected_cancellation(asgi_client, clock):
    with pytest.raises(cancelled()):
        await anyio.Event().wait()

async def test_and_the_test_goes_on(asgi_client, clock):
    with suppress(BaseException):
        await anyio.Event().wait()
    await anyio.sleep(60)
    assert (await asgi_client.get("/openapi.json")).status_code == 200
"""

ENDED = """
async def test_by_a_timeout(asgi_client, clock):
    with suppress(TimeoutError), anyio.fail_after(3):
        await asgi_client.get("/stuck")
    with anyio.move_on_after(3):
        await asgi_client.get("/catches")
    assert 6 <= clock.time() < 7

async def test_by_a_cancellation_of_its_own(asgi_client, clock):
    async with anyio.create_task_group() as group:
        group.start_soon(asgi_client.get, "/stuck")
        await anyio.sleep(1)
        group.cancel_scope.cancel()
"""


def run(pytester: pytest.Pytester, tests: str) -> pytest.RunResult:
    pytester.makepyfile(app=APP, test_it=HEAD + tests)
    pytester.makeini("[pytest]\nasyncfastapi_app = app:app\n")
    return pytester.runpytest("--asyncfastapi-blocking=off")


def test_a_deadlock_that_was_caught_fails_the_test(pytester: pytest.Pytester) -> None:
    """With the report of who waits for what."""
    result = run(pytester, CAUGHT)
    result.assert_outcomes(failed=6)
    told = result.stdout.str()
    assert told.count("Deadlock at virtual time 0.0 s: no task can run") >= 6
    assert "await anyio.Event().wait()" in told
    assert "fix       give the wait a timeout" in told


def test_a_wait_that_something_ends_is_no_deadlock(pytester: pytest.Pytester) -> None:
    """The same waits, with a timeout or a cancellation of the test's own."""
    run(pytester, ENDED).assert_outcomes(passed=4)


def test_an_error_of_the_test_after_it_is_shown_with_the_deadlock(
    pytester: pytest.Pytester,
) -> None:
    """The likely reason stands beside it."""
    tests = """
async def test_asserts(asgi_client, clock):
    answered = False
    with suppress(BaseException):
        await asgi_client.get("/stuck")
        answered = True
    assert answered
"""
    result = run(pytester, tests)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*assert False*", "*Deadlock at virtual time 0.0 s*"])


def test_what_the_app_catches_is_told_once(pytester: pytest.Pytester) -> None:
    """The test is cancelled too, and says it: no second finding."""
    result = run(
        pytester,
        'async def test_app(asgi_client, clock):\n    await asgi_client.get("/catches")\n',
    )
    result.assert_outcomes(failed=2)
    assert "1 finding" not in result.stdout.str()


@pytest.mark.parametrize("phase", ["set-up", "teardown"])
def test_a_deadlock_that_a_fixture_catches(pytester: pytest.Pytester, phase: str) -> None:
    """There it is a RuntimeError in trio's main task; on asyncio it comes out of the loop."""
    tests = """
@pytest.fixture
def anyio_backend():
    return "trio"

@pytest.fixture
async def waits(clock):
    {before}
    yield
    {after}

async def wait():
    with suppress(RuntimeError):
        await anyio.Event().wait()

async def test_fixture(waits):
    pass
"""
    before, after = ("await wait()", "") if phase == "set-up" else ("", "await wait()")
    result = run(pytester, tests.format(before=before, after=after))
    if phase == "set-up":
        result.assert_outcomes(failed=1)
    else:
        result.assert_outcomes(passed=1, errors=1)
    assert "Deadlock at virtual time" in result.stdout.str()


def test_a_fixture_that_does_not_catch_it_is_one_error(pytester: pytest.Pytester) -> None:
    tests = """
@pytest.fixture
def anyio_backend():
    return "trio"

@pytest.fixture
async def waits(clock):
    await anyio.Event().wait()

async def test_fixture(waits):
    pass
"""
    run(pytester, tests).assert_outcomes(errors=1)


CIRCLE = """
import asyncio, pytest

async def circle(wait):
    tasks = {}

    async def awaits(other):
        await tasks[other]

    for name, other in ("left", "right"), ("right", "left"):
        tasks[name] = asyncio.create_task(awaits(other), name=name)
    await wait(tasks)

async def test_it(clock):
    await circle(lambda tasks: tasks["left"])

async def test_beside_it(clock):
    await circle(lambda tasks: asyncio.wait(tasks.values()))

@pytest.mark.asyncfastapi(clock="off", timeout="200ms")
async def test_in_real_time():
    await circle(lambda tasks: asyncio.gather(*tasks.values()))

async def test_twin(clock):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 5)
"""


def test_tasks_that_wait_for_each_other_are_ended(pytester: pytest.Pytester) -> None:
    """To cancel one of them goes round in the circle: one is woken first, and no error is left."""
    pytester.makepyfile(test_it=CIRCLE)
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(failed=3, passed=1)
    told = "Tasks wait for each other: 'left' waits for 'right' waits for 'left'."
    assert result.outlines.count(told) == 3
    result.stdout.no_fnmatch_line("*RecursionError*")
