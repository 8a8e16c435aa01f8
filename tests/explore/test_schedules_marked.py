"""`@pytest.mark.schedules` and `--asyncfastapi-schedules`: a whole test in many orders."""

from __future__ import annotations

import re

import pytest

TESTS = """
import asyncio
from contextlib import nullcontext

import pytest
from fastapi import Depends, FastAPI

SOUND = {sound}


def checked():
    return "in a thread"


@pytest.fixture
def stock():
    return {{"apples": 10}}


@pytest.fixture
def asgi_app(stock):
    app, lock = FastAPI(), asyncio.Lock()

    async def hops(number):
        for _ in range(number):
            await asyncio.sleep(0)

    async def change(by):
        async with lock if SOUND else nullcontext():
            apples = stock["apples"]
            await hops(2)
            stock["apples"] = apples + by  # written back

    @app.post("/deliver")
    async def deliver():
        await change(+5)

    @app.post("/take")
    async def take(_=Depends(checked)):
        await hops(3)
        await change(-3)

    return app


{mark}
async def test_both_count(asgi_client, stock):
    await asyncio.gather(asgi_client.post("/deliver"), asgi_client.post("/take"))
    assert stock["apples"] == 12
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Run the shop, sound or not, with these marks and flags."""

    def run(*flags: str, sound: bool = False, mark: str = "@pytest.mark.schedules(60)", ini=""):
        pytester.makepyfile(TESTS.format(sound=sound, mark=mark))
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n" + ini)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *flags)

    return run


def test_a_race_is_found_made_small_and_shown(run) -> None:
    """By one line; the ordinary order never shows it. The replay fails alike, by itself."""
    result = run("-q")
    result.assert_outcomes(failed=1)
    told = result.stdout.str()
    assert "race: the test fails when its tasks run in another order" in told
    assert re.search(r"test_a_race_.*\.py:\d+, in test_both_count", told)
    assert "who ran when, and up to which line:" in told
    assert "POST /take" in told
    assert "changes to the ordinary order are enough" in told
    token = re.search(r"--asyncfastapi-replay=(schedules:\S+)", told)
    assert token is not None
    again = run("-q", f"--asyncfastapi-replay={token[1]}")
    again.assert_outcomes(failed=1)
    assert "assert 15 == 12" in told or "assert 7 == 12" in told
    run("-q", "--asyncfastapi-replay=schedules:fifo").assert_outcomes(passed=1)


def test_the_sound_variant_holds_in_every_order(run) -> None:
    """Sixty orders, one report."""
    result = run(sound=True)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["schedules of *test_both_count: 60 points, 0 bad*"])


def test_without_the_marker_nobody_sees_it(run) -> None:
    """What the marker is for."""
    run(mark="").assert_outcomes(passed=1)


def test_the_flag_is_for_a_whole_suite(run) -> None:
    """With xdist too."""
    result = run("--asyncfastapi-schedules=60", "-n", "2", mark="")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*race: the test fails*"])


def test_shares_find_it_too(run) -> None:
    """Each share takes every third schedule, and makes its own find small."""
    result = run("--asyncfastapi-shards=3", mark="@pytest.mark.schedules(90)")
    assert "race: the test fails" in result.stdout.str()
    assert result.parseoutcomes().get("failed", 0) >= 1


def test_a_deadlock_in_another_order_is_a_failure_of_that_order(
    pytester: pytest.Pytester,
) -> None:
    """Two locks taken in two orders."""
    pytester.makepyfile(
        """
        import asyncio, pytest

        @pytest.mark.schedules(60)
        async def test_locks():
            a, b = asyncio.Lock(), asyncio.Lock()

            async def both(first, second, hops):
                for _ in range(hops):
                    await asyncio.sleep(0)
                async with first:
                    await asyncio.sleep(0)
                    async with second:
                        pass

            await asyncio.gather(both(a, b, 0), both(b, a, 5))
        """
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:asyncio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*race: the test fails*", "*Deadlock*"])


def test_trio_is_told_once(pytester: pytest.Pytester) -> None:
    """It chooses by itself."""
    pytest.importorskip("trio")
    pytester.makepyfile(
        """
        import anyio, pytest

        @pytest.fixture
        def anyio_backend(): return "trio"

        @pytest.mark.schedules(5)
        async def test_a():
            await anyio.sleep(0)
        """
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:asyncio", "-p", "no:trio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no other order could be tried: trio chooses the order*"])


def test_the_flag_does_not_fail_tests_on_trio(pytester: pytest.Pytester) -> None:
    """Nobody has asked for it there: a warning for each, and asyncio's are explored."""
    pytest.importorskip("trio")
    pytester.makepyfile(
        """
        import anyio, pytest

        @pytest.mark.anyio
        async def test_a(anyio_backend_name):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep, 0)
                tasks.start_soon(anyio.sleep, 0)
        """
    )
    flags = ("-q", "-p", "no:asyncio", "-p", "no:trio", "--asyncfastapi-schedules=2")
    result = pytester.runpytest_subprocess(*flags)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*warn*no other order could be tried: trio chooses the order*"])
    assert "struck nothing" not in result.stdout.str()


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        ("schedules(0)", "seeds=0 must be a whole number, 1 or more"),
        ("schedules(policy='wild')", "policy='wild' must be one of auto, random, pct"),
        ("schedules(start=-1)", "start=-1 must be a whole number, 0 or more"),
        ("schedules('many')", "seeds='many' must be a whole number, 1 or more"),
        ("schedules(sedes=3)", "did you mean 'seeds'?"),
    ],
)
def test_a_wrong_marker_is_one_sentence(run, mark: str, sentence: str) -> None:
    """With its place."""
    result = run("-q", mark=f"@pytest.mark.{mark}")
    result.assert_outcomes(errors=1)
    assert sentence in result.stdout.str()
    assert "test_both_count: @pytest.mark.schedules" in result.stdout.str()
