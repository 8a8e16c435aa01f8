"""The fixture `together`: a whole test, its requests one after the other and then together."""

from __future__ import annotations

import re

import pytest

APP = """
import asyncio
import uuid
from contextlib import nullcontext

import pytest
from fastapi import FastAPI, HTTPException

kept = []


@pytest.fixture
def asgi_app():
    app, sale, lock = FastAPI(), {{"left": 1}}, asyncio.Lock()

    @app.post("/sell")
    async def sell():
        async with lock if {sound} else nullcontext():
            if sale["left"] < 1:
                raise HTTPException(410)
            await asyncio.sleep(0)
            sale["left"] -= 1
        return {{"receipt": str(uuid.uuid4())}}

    @app.post("/keep")
    async def keep():
        kept.append(1)
        return kept

    @app.get("/sale")
    async def read():
        return sale

    return app

"""
TEST = """
{mark}
async def test_sale(asgi_client, together):
    result = await together(
        lambda: asgi_client.post("/sell"),
        lambda: asgi_client.post("/sell"),
        observe=lambda: asgi_client.get("/sale"),
    )
    assert result.observed.status_code == 200
    assert len(result.answers) == 2
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Run this test of the shop, sound or not."""

    def run(*flags: str, sound: bool = False, mark: str = "", test: str = TEST):
        pytester.makepyfile(APP.format(sound=sound) + test.format(mark=mark))
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *flags)

    return run


def test_a_race_is_found_without_a_marker_and_without_an_invariant(run) -> None:
    """Shown beside the nearest order, with the interleaving; the token replays it."""
    result = run("-q")
    result.assert_outcomes(failed=1)
    told = result.stdout.str()
    assert "race: the requests together come to what no order of them gives" in told
    rows = re.sub(" +", " ", told)
    assert ' observed 200 {"left": -1}\n not 200 {"left": 0}\n' in rows
    assert "who ran when, and up to which line:" in told
    assert re.search(r"where +test_a_race_\S+\.py:\d+, in test_sale", told)
    token = re.search(r"--asyncfastapi-replay=(schedules:\S+)", told)
    assert token is not None
    again = run("-q", f"--asyncfastapi-replay={token[1]}")
    again.assert_outcomes(failed=1)
    assert "come to what no order of them gives" in again.stdout.str()


def test_the_sound_variant_is_clean_and_the_report_says_what_was_compared(run) -> None:
    result = run(sound=True)
    result.assert_outcomes(passed=1)
    told = result.stdout.str()
    words = (
        r"no order with at most 1 change fails \((\d+) run\), compared with 2 one after the other"
    )
    assert re.search(words, told)
    assert "only equal ones compared: answer 1 .body.receipt (a UUID)" in told


def test_only_the_requests_themselves_are_in_another_order(run) -> None:
    """What the test does before and after them adds no orders, and no rows."""
    test = TEST.replace(
        "    result = await",
        '    await asyncio.gather(*[asgi_client.get("/sale")] * 1)\n    result = await',
    )
    words = re.compile(r"no order with at most 1 change fails \((\d+) run\)")
    plain, longer = (run(sound=True, test=one).stdout.str() for one in (TEST, test))
    assert words.findall(plain) == words.findall(longer) != []
    assert "GET /sale " not in run("-q", test=test).stdout.str()


def test_the_marker_says_which_orders(run) -> None:
    """Seeds, or more changes."""
    seeds = run(sound=True, mark="@pytest.mark.schedules(7)")
    seeds.assert_outcomes(passed=1)
    assert "12 points, 0 bad" in seeds.stdout.str()  # two orders twice, the ordinary one, 7 seeds
    few = TEST.replace('post("/sell")', 'get("/sale")')  # of the others there are hundreds
    more = run(sound=True, mark='@pytest.mark.schedules("all", changes=2)', test=few)
    assert "no order with at most 2 changes fails" in more.stdout.str()
    run(mark="@pytest.mark.schedules(7)").assert_outcomes(failed=1)


def test_shares_compare_each_for_itself(run) -> None:
    result = run("--asyncfastapi-shards=2", sound=True)
    result.assert_outcomes(passed=2)
    assert "no order with at most 1 change fails" in result.stdout.str()
    assert run("--asyncfastapi-shards=2").parseoutcomes()["failed"] >= 1


def test_the_tests_own_assertions_hold_too(run) -> None:
    """In each order in which they run together."""
    test = TEST + '    assert result.answers[0].json().get("receipt")\n'
    result = run("-q", sound=True, test=test)
    result.assert_outcomes(failed=1)
    assert "race: the test fails when its tasks run in another order" in result.stdout.str()


def test_state_that_outlives_the_test_cannot_be_compared(run) -> None:
    test = """
async def test_kept(asgi_client, together):
    await together(lambda: asgi_client.post("/keep"), lambda: asgi_client.post("/keep"))
"""
    result = run("-q", test=test)
    result.assert_outcomes(failed=1)
    told = " ".join(result.stdout.str().split())
    assert "in one run only: what they change is not made new for each run" in told
    assert "fix make it new in reset=, or in a fixture of the test" in told


def test_a_fixture_of_that_name_of_the_users_own_is_left_alone(run) -> None:
    test = """
@pytest.fixture
def together():
    return 5

async def test_own(asgi_client, together):
    assert together == 5
"""
    result = run(test=test)
    result.assert_outcomes(passed=1)
    assert "sweeps" not in result.stdout.str()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("together(int)", "together() takes 2 to 4 requests; got 1"),
        ("together(int, 3)", "request 2 must be a function that can be called once for every run"),
        ("together(int, int)", "a request must return something to await"),
    ],
)
def test_wrong_uses_get_one_sentence(run, call: str, sentence: str) -> None:
    result = run("-q", test=f"async def test_it(together):\n    await {call}\n")
    result.assert_outcomes(failed=1)
    assert sentence in result.stdout.str()


def test_it_is_called_once_in_a_test(run) -> None:
    test = """
async def test_it(together):
    for _ in range(2):
        await together(lambda: asyncio.sleep(0), lambda: asyncio.sleep(0))
"""
    result = run("-q", test=test)
    result.assert_outcomes(failed=1)
    assert "together() is called twice in this test: write a test for each" in result.stdout.str()


def test_trio_gets_one_sentence(run) -> None:
    pytest.importorskip("trio")
    test = """
@pytest.fixture
def anyio_backend():
    return "trio"

async def test_it(asgi_client, together):
    await together(lambda: asgi_client.get("/sale"), lambda: asgi_client.get("/sale"))
"""
    result = run("-q", "-p", "no:trio", test=test)
    result.assert_outcomes(failed=1)
    assert "together() needs a test on asyncio" in result.stdout.str()
