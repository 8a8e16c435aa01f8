"""`explore_schedules(seeds="all")`: every order with at most so many changes, smallest first."""

from __future__ import annotations

import asyncio
import re
import threading
from itertools import permutations

import pytest

from pytest_asyncfastapi import Explored, ScheduleFailure
from pytest_asyncfastapi._clock import selector
from pytest_asyncfastapi._explore.schedules import worker_jobs
from pytest_asyncfastapi._explore.schedules.every_order import EveryOrder
from pytest_asyncfastapi._explore.schedules.token import Schedule
from tests.explore.races import RACES
from tests.explore.running import explored


def two_tasks(broken=lambda log: False):
    """Two tasks of three steps each; `broken` is asked of the order in which they ran."""

    async def scenario():
        log = []

        async def steps(name):
            for _ in range(3):
                log.append(name)
                await asyncio.sleep(0)

        await asyncio.gather(steps("a"), steps("b"))
        assert not broken("".join(log))
        return "".join(log)

    return scenario


@pytest.mark.parametrize("name", RACES)
def test_each_planted_race_is_found_by_at_most_two_changes(name):
    """Twice the same: the same order after the same number of others."""
    found, again = (explored(RACES[name](False), seeds="all", changes=2) for _ in range(2))
    assert isinstance(found, ScheduleFailure)
    assert 1 <= found.schedule.count("@") <= 2
    assert found.shortest == found.schedule
    assert (again.schedule, again.tried, again.trace) == (found.schedule, found.tried, found.trace)
    replayed = explored(RACES[name](False), replay=found.schedule)
    assert isinstance(replayed, ScheduleFailure)
    assert replayed.trace == found.trace


@pytest.mark.parametrize("name", RACES)
def test_of_the_sound_variant_it_is_said_that_no_order_fails(name):
    """In words, with the number of orders; none has been run twice."""
    result = explored(RACES[name](True), seeds="all", changes=1)
    assert isinstance(result, Explored), result
    assert result.proven
    assert str(result) == f"no order with at most 1 change fails ({result.schedules} run)"
    assert result.distinct == result.schedules > 10


def test_of_hundreds_of_orders_with_two_changes_none_fails():
    """Without an app, which takes most of the time of a run."""

    async def scenario():
        stock, lock = {"apples": 10}, asyncio.Lock()

        async def change(by):
            for _ in range(6):
                await asyncio.sleep(0)
            async with lock:
                apples = stock["apples"]
                await asyncio.sleep(0)
                stock["apples"] = apples + by

        await asyncio.gather(change(+5), change(-3), change(+1))
        assert stock["apples"] == 13

    result = explored(scenario, seeds="all", changes=2)
    assert isinstance(result, Explored), result
    assert str(result) == f"no order with at most 2 changes fails ({result.schedules} run)"
    assert result.distinct == result.schedules > 300


def test_with_enough_changes_every_interleaving_is_run():
    """All 20 orders of two tasks of three steps."""
    logs = []
    result = explored(two_tasks(), seeds="all", changes=5, invariant=logs.append)
    assert set(logs) == {"".join(order) for order in permutations("aaabbb")}
    assert result.proven
    assert result.distinct == result.schedules


def test_fewer_changes_come_first():
    """So the first order that fails is one with the fewest changes, and the message says so."""

    def overtaken_twice(log):
        return log == "aabbba"

    failure = explored(two_tasks(overtaken_twice), seeds="all")
    assert isinstance(failure, ScheduleFailure)
    assert failure.schedule.count("@") == 2
    assert "2 changes to the ordinary order, and no order with at most 1 change fails" in str(
        failure
    )
    result = explored(two_tasks(overtaken_twice), seeds="all", changes=1)
    assert str(result) == f"no order with at most 1 change fails ({result.schedules} run)"


def test_a_failure_by_one_change():
    failure = explored(two_tasks(lambda log: log.startswith("b")), seeds="all")
    assert "smallest   1 change to the ordinary order\n" in str(failure)


def test_a_budget_ends_it_and_the_result_says_so():
    """Nothing is claimed of orders that were not run."""
    result = explored(two_tasks(), seeds="all", budget=1e-9)
    assert not result.proven
    said = "not every order with at most 2 changes was run (the budget of 0 s is used up); of 1 "
    assert str(result) == said + "that were, none fails"
    result = explored(two_tasks(), seeds=50, budget="1us")
    assert str(result).endswith("nothing failed; stopped: the budget of 1 us is used up")


def test_what_differs_from_run_to_run_is_no_proof():
    """State that outlives the scenario: some orders are not the ones that were to be run."""
    runs = []

    async def scenario():
        runs.append(1)
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(5 - len(runs) % 3)))

    result = explored(scenario, seeds="all")
    assert isinstance(result, Explored)
    assert result.unsteady
    assert not result.proven
    assert "orders were run and none fails, which proves nothing" in str(result)


def test_a_thread_that_is_not_waited_for_is_no_proof(monkeypatch):
    """It waits for a later step, so the machine decides when its result comes."""
    monkeypatch.setattr(worker_jobs, "PATIENCE", 0.02)

    async def scenario():
        ready = threading.Event()

        async def sets():
            await asyncio.sleep(0)
            ready.set()

        await asyncio.gather(asyncio.to_thread(ready.wait), sets())

    result = explored(scenario, seeds="all", changes=1)
    assert isinstance(result, Explored)
    assert result.unsteady
    assert "may not repeat, as something beside the schedule decides too" in str(result)


def test_what_did_not_run_in_its_order_is_not_followed():
    every = EveryOrder(2)
    offers = [((1, 2), 1), ((1, 2), 2)]
    assert list(EveryOrder(2)) == []
    assert every.add_run(Schedule("fifo"), (), offers)
    orders = iter(every)
    one, two = next(orders), next(orders)
    assert [str(one), str(two)] == ["fifo@0:2", "fifo@1:1"]
    assert not every.add_run(one, ((0, 1),), offers)
    assert not every.add_run(two, two.changes, [((1, 2, 3), 1), ((1, 2), 1)])
    assert list(orders) == []
    assert every.unsteady == 2


def test_thousands_of_orders_are_no_loop_that_polls(monkeypatch):
    """Virtual time stands still however many orders have been run without a rest."""
    monkeypatch.setattr(selector, "BUSY_STEPS", 60)
    times = []

    async def scenario():
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(4)))
        times.append(asyncio.get_running_loop().time())

    result = explored(scenario, seeds=200)
    assert result.notes == ()
    assert len(set(times)) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seeds": "every"}, "seeds='every' must be a whole number, 1 or more, or \"all\""),
        ({"changes": 2}, 'changes=2 is for every order: "all", changes=2'),
        ({"seeds": "all", "changes": 0}, "changes=0 must be a whole number, 1 or more"),
        ({"seeds": "all", "changes": True}, "changes=True must be a whole number, 1 or more"),
        ({"seeds": "all", "policy": "pct"}, "policy='pct' is for seeds; \"all\" orders have none"),
        ({"seeds": "all", "start": 3}, 'start=3 is for seeds; "all" orders have none'),
        ({"budget": "soon"}, "'soon' is not a duration"),
    ],
)
def test_wrong_arguments_get_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        explored(two_tasks(), **options)
