"""`explore_together()`: what no order of the requests, one after the other, gives is a race."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pytest_asyncfastapi import Explored, ScheduleFailure, explore_together, open_app
from tests.explore.racy_endpoints import ENDPOINTS

# Of these every order is run; of the others some seeds, for the sake of time.
ALL = ("lost update", "stale cache", "across an upstream call")


def sent(client, method, path, body=None):
    return lambda: client.request(method, path, json=body)


def endpoint(name, sound, **options):
    """What `explore_together` came to for one of the endpoints."""

    async def main():
        case = ENDPOINTS[name](sound)
        async with open_app(case.app) as client:
            requests = [sent(client, *request) for request in case.requests]
            observe = sent(client, *case.observe)
            return await explore_together(*requests, observe=observe, reset=case.reset, **options)

    return run(main())


def run(made):
    try:
        return asyncio.run(made)
    except ScheduleFailure as failure:
        return failure


def together(*requests, **options):
    """The same for functions that are no requests."""
    return run(explore_together(*requests, **options))


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_racy_endpoint_is_found_without_an_invariant(name):
    """And its failing order fails again."""
    found = endpoint(name, False)
    assert isinstance(found, ScheduleFailure)
    text = str(found)
    assert text.startswith("the requests together come to what no order of them gives")
    assert "together, and not one after the other (" in text
    assert re.search(r"^ +not  \S", text, re.MULTILINE)
    assert "not sure" not in text
    assert f"explore_together(..., replay={found.schedule!r})" in text
    again = endpoint(name, False, replay=found.schedule)
    assert isinstance(again, ScheduleFailure)
    assert again.trace == found.trace


@pytest.mark.parametrize("name", ENDPOINTS)
def test_its_sound_variant_is_clean(name):
    every = {"seeds": "all", "changes": 2 if name == ALL[0] else 1}
    result = endpoint(name, True, **(every if name in ALL else {"seeds": 25}))
    assert isinstance(result, Explored), result
    assert result.proven == (name in ALL)


def test_the_outcome_is_shown_beside_the_nearest_one():
    """With the values that differ, the labels of the requests, and the interleaving."""
    text = str(endpoint("lost update", False))
    rows = re.sub(" +", " ", text)
    assert " together, and not one after the other (1, then 2 is nearest):\n" in rows
    assert ' 1 POST /take/1 200 {"taken": 1}\n' in rows
    assert ' observed 200 {"apples": 8}\n not 200 {"apples": 7}\n' in rows
    assert "who ran when, and up to which line:" in text
    assert re.search(r"1  POST /take/1  .*racy_endpoints.py:\d+, in hop \(from take:\d+\)", text)


def test_what_differs_from_run_to_run_is_not_compared_and_said():
    """A UUID and a number that grows only by whether they are equal; a time not at all."""
    numbers = itertools.count(7)

    async def create():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {"id": next(numbers), "at": datetime.now(UTC).isoformat(), "stamp": time.time()}

    result = together(create, create, seeds=30)
    assert isinstance(result, Explored), result
    assert "only equal ones compared: answer 1 .id (differs from run to run)" in result.notes
    assert "not compared: answer 2 .at (a time)" in result.notes
    assert "not compared: answer 2 .stamp (a time)" in result.notes


def test_a_token_that_is_the_same_within_one_second_is_not_compared():
    """Equal in some runs, not in others: signed at a time."""
    calls = itertools.count()

    async def login():
        await asyncio.sleep(0)
        return {"token": f"signed-{next(calls) // 3}"}

    result = together(login, login, seeds=60)
    assert isinstance(result, Explored), result
    assert "not compared: answer 1 .token (is another one in each run)" in result.notes


def test_an_exception_is_compared_by_its_first_line():
    """What follows is often an id, or a statement with one."""
    ids = itertools.count()

    async def fails():
        await asyncio.sleep(0)
        raise LookupError(f"no row\n[parameters: {next(ids)}] at 0x{next(ids):x}")

    result = together(fails, fails, seeds=10)
    assert isinstance(result, Explored), result
    assert result.notes == (
        "raised in each order: answer 1 (LookupError: no row)",
        "raised in each order: answer 2 (LookupError: no row)",
    )


def test_equal_ids_are_a_race_though_ids_differ_from_run_to_run():
    """Two requests get one number."""
    last = [0]

    async def draw():
        number = last[0] + 1
        await asyncio.sleep(0)
        last[0] = number
        return {"number": number}

    failure = together(draw, draw)
    assert isinstance(failure, ScheduleFailure)
    assert "answer 2 .number: '<value 1>', not '<value 2>'" in str(failure)  # not 7 and 8


def test_what_differs_seldom_is_learnt_before_it_is_called_a_race():
    """A value that is the same in the first runs: the orders are run once more before a verdict."""
    calls = itertools.count()

    async def answer():
        await asyncio.sleep(0)
        return next(calls) // 20

    result = together(answer, answer, seeds=40)
    assert isinstance(result, Explored), result


def test_who_is_refused_may_as_well_not_have_been_sent():
    """A lock that is not waited for: 409 in both, or in one, is right; a half-done write is not."""

    def requests(sound):
        state = {"busy": False, "done": 0}

        async def work():
            if sound is False and state["busy"]:
                state["done"] += 1
            if state["busy"]:
                return SimpleNamespace(status_code=409, headers={}, text="busy")
            state["busy"] = True
            await asyncio.sleep(0)
            state.update(busy=False, done=state["done"] + 1)
            return SimpleNamespace(status_code=200, headers={}, text="")

        return work, state

    for sound in (True, False):
        work, state = requests(sound)
        result = together(
            work,
            work,
            observe=lambda state=state: dict(state),
            reset=lambda s=state: s.update(done=0),
        )
        assert isinstance(result, Explored if sound else ScheduleFailure), result


def test_an_order_that_never_ends_by_itself_is_left_out():
    """One waits for the other: it cannot come first."""
    ready = []

    def reset():
        ready[:] = [asyncio.Event()]

    async def waits():
        await ready[0].wait()
        return "ready"

    async def sets():
        ready[0].set()
        return "set"

    result = together(waits, sets, reset=reset, seeds=20)
    assert isinstance(result, Explored), result
    assert "left out: 1, then 2, one after the other, never ends" in result.notes


def test_exceptions_are_answers():
    """Raised in some order one after the other too: no race."""

    def requests(sound):
        left = [1]

        async def take():
            if not left[0]:
                raise LookupError("nothing is left")
            if not sound:
                await asyncio.sleep(0)
            left[0] -= 1

        return take, left

    for sound in (True, False):
        take, left = requests(sound)
        result = together(
            take,
            take,
            observe=lambda left=left: left[0],
            reset=lambda left=left: left.append(1) or left.pop(0),
        )
        assert isinstance(result, Explored if sound else ScheduleFailure), result


def test_keys_that_are_ignored():
    """What somebody waited for a lock is no race."""
    lock = []

    async def takes():
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with lock[0]:
            await asyncio.sleep(1)
        return {"took": round(loop.time() - began), "ok": True}

    options = {"reset": lambda: lock.__setitem__(slice(None), [asyncio.Lock()]), "seeds": 10}
    assert isinstance(together(takes, takes, **options), ScheduleFailure)
    result = together(takes, takes, ignore="took", **options)
    assert isinstance(result, Explored), result


def test_state_that_is_not_made_new_is_said():
    rows = []

    async def add():
        rows.append(1)
        return list(rows)

    with pytest.raises(ValueError, match=r"answer 1 \[\d+\] in one run only: .* reset="):
        together(add, add)


def test_a_deadlock_together_is_found():
    """One after the other each order ends."""
    locks = []

    def reset():
        locks[:] = [asyncio.Lock(), asyncio.Lock()]

    def both(first, second):
        async def work():
            async with locks[first]:
                await asyncio.sleep(0)
                async with locks[second]:
                    return True

        return work

    failure = together(both(0, 1), both(1, 0), reset=reset)
    assert "Deadlock: no task can run" in str(failure)
    assert isinstance(together(both(0, 1), both(0, 1), reset=reset), Explored)


async def nothing():
    pass


@pytest.mark.parametrize(
    ("requests", "options", "sentence"),
    [
        ([nothing], {}, "explore_together() takes 2 to 4 requests; got 1"),
        ([nothing] * 5, {}, "explore_together() takes 2 to 4 requests; got 5"),
        ([nothing, 3], {}, "request 2 must be a function that can be called once for every run"),
        ([nothing] * 2, {"observe": 3}, "observe must be a function"),
        ([nothing] * 2, {"reset": 3}, "reset must be a function"),
        ([nothing, int], {}, "a request must return something to await"),
        ([nothing] * 2, {"seeds": 0}, "seeds=0 must be a whole number"),
        (
            [lambda: asyncio.Event().wait()] * 2,
            {},
            "the requests never end one after the other, in any order",
        ),
    ],
)
def test_wrong_arguments_get_one_sentence(requests, options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        together(*requests, **options)


def test_the_seed_decides_what_is_drawn():
    """`random` is the same in each order one after the other: it is compared."""

    async def draws():
        return random.random()

    assert together(draws, draws, seeds="all", changes=1).notes == ()
