"""`@pytest.mark.schedules("all", changes=2)`: a whole test in every order."""

from __future__ import annotations

import json
import re

import pytest

TESTS = """
import asyncio
from contextlib import nullcontext

import pytest
from fastapi import FastAPI

stock = {{}}


@pytest.fixture
def asgi_app():
    app, lock = FastAPI(), asyncio.Lock()
    stock["apples"] = 10

    async def change(by):
        async with lock if {sound} else nullcontext():
            apples = stock["apples"]
            await asyncio.sleep(0)
            stock["apples"] = apples + by

    @app.post("/deliver")
    async def deliver():
        await change(+5)

    @app.post("/take")
    async def take():
        for _ in range(3):
            await asyncio.sleep(0)
        await change(-3)

    return app


@pytest.mark.schedules({mark})
async def test_both_count(asgi_client):
    await asyncio.gather(asgi_client.post("/deliver"), asgi_client.post("/take"))
    assert stock["apples"] == 12
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Run the shop, sound or not, with these arguments of the marker and flags."""

    def run(*flags: str, sound: bool, mark: str = '"all", changes=1'):
        pytester.makepyfile(TESTS.format(sound=sound, mark=mark))
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *flags)

    return run


def test_a_race_is_found_by_a_smallest_order(run) -> None:
    """It is shown, and replayed by its token."""
    result = run("-q", sound=False, mark='"all"')
    result.assert_outcomes(failed=1)
    told = result.stdout.str()
    assert "race: the test fails when its tasks run in another order" in told
    assert re.search(r"\b[12] changes? to the ordinary order", told)
    assert "are enough" not in told
    token = re.search(r"--asyncfastapi-replay=(schedules:fifo(?:@\d+:\d+){1,2})\b", told)
    assert token is not None
    again = run("-v", f"--asyncfastapi-replay={token[1]}", sound=False, mark='"all"')
    again.assert_outcomes(failed=1)
    # One order proves nothing of the others.
    passed = run("-v", "--asyncfastapi-replay=schedules:fifo", sound=False, mark='"all"')
    passed.assert_outcomes(passed=1)
    assert "no order" not in passed.stdout.str()


def test_the_result_in_words(run) -> None:
    result = run(sound=True)
    result.assert_outcomes(passed=1)
    words = r"schedules of \S+test_both_count: no order with at most 1 change fails \(\d+ run\), "
    assert re.search(words, result.stdout.str())


def test_a_budget_that_is_not_enough_is_said(run) -> None:
    result = run("--asyncfastapi-sweep-budget=10ms", sound=True)
    result.assert_outcomes(passed=1)
    told = result.stdout.str()
    assert re.search(
        r"not every order with at most 1 change was run \(the budget of 10 ms is used up\); "
        r"of \d+ that were, none fails",
        told,
    )
    assert "no order with" not in told
    assert "no point was run" not in told


def test_shares_make_one_claim_together(run) -> None:
    """Here by two tests of one run; a share alone claims nothing of the others."""
    together = run("--asyncfastapi-shards=2", sound=True)
    together.assert_outcomes(passed=2)
    whole = run(sound=True)
    claims = [
        re.search(r"no order with at most 1 change fails \((\d+) run\)", result.stdout.str())
        for result in (together, whole)
    ]
    assert claims[0] is not None
    assert claims[1] is not None
    assert claims[0][1] == claims[1][1]
    part = run("--asyncfastapi-shard=1/2", sound=True).stdout.str()
    assert "in share 1/2 of the orders, no order with at most 1 change fails" in part


def test_shares_find_the_race_too(run) -> None:
    result = run("--asyncfastapi-shards=2", sound=False, mark='"all", changes=2')
    assert "race: the test fails" in result.stdout.str()


def test_the_page_draws_the_race_as_lanes(run, pytester: pytest.Pytester) -> None:
    """Each step with its task and line; the change is marked before the steps that follow it."""
    run("-q", "--asyncfastapi-html=page.html", sound=False, mark='"all"')
    page = (pytester.path / "page.html").read_text(encoding="utf-8")
    data = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert data is not None
    told = json.loads(data[1])
    (sweep,) = told["sweeps"]
    (lanes,) = (point["lanes"] for point in sweep["points"] if "lanes" in point)
    assert {who for who, *_ in lanes} >= {"POST /deliver", "POST /take"}
    changes = [row for row in lanes if row[3]]
    shown = next(point["token"] for point in sweep["points"] if "lanes" in point)
    assert len(changes) == shown.count("@")
    assert all(what == "goes first from here on" and place is None for _, place, what, _ in changes)
    lines = [told["places"][place][3] for _, place, *_ in lanes if place is not None]
    assert "await asyncio.sleep(0)" in lines
    assert [who for who, _, what, _ in lanes if what == "ends"][:1] == ["POST /take"]
    assert "const lanesView" in page


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        ('"every"', "seeds='every' must be a whole number, 1 or more, or \"all\""),
        ("20, changes=2", 'changes=2 is for every order: "all", changes=2'),
        ('"all", changes=0', "changes=0 must be a whole number, 1 or more"),
    ],
)
def test_a_wrong_marker_is_one_sentence(run, mark: str, sentence: str) -> None:
    result = run("-q", sound=True, mark=mark)
    result.assert_outcomes(errors=1)
    assert sentence in result.stdout.str()
