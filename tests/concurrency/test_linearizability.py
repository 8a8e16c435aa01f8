"""Histories by hand: what some order explains, and what none does."""

from __future__ import annotations

import random

import pytest

from pytest_asyncfastapi._concurrency import linearizability
from pytest_asyncfastapi._concurrency.linearizability import Call, History, Undecided


class Register:
    """One value."""

    def __init__(self):
        self.value = 0

    def write(self, value):
        self.value = value

    def read(self):
        return self.value


def history(*calls):
    """From `(begun, ended, name, args, answer)`."""
    made = [
        Call(number, name, args, begun, ended, answer)
        for number, (begun, ended, name, args, answer) in enumerate(calls)
    ]
    return History(Register, made, lambda expected, answer: expected is None or expected == answer)


def test_reads_after_writes_are_explained():
    assert history((1, 2, "write", (5,), None), (3, 4, "read", (), 5)).violation(None) is None


@pytest.mark.parametrize("seen", [0, 5])
def test_a_read_meanwhile_may_see_either(seen):
    assert history((1, 4, "write", (5,), None), (2, 3, "read", (), seen)).violation(None) is None


def test_a_stale_read_is_found_and_named():
    found = history((1, 2, "write", (5,), None), (3, 4, "read", (), 0)).violation("k")
    assert found.call.name == "read"
    assert found.possible == (5,)
    assert found.stale.name == "write"
    text = str(found)
    assert "#1 read() of 'k' was answered 0; it might have been 5" in text
    assert "a stale read: it is right before #0 write(5), which had been answered before" in text


def test_two_reads_that_see_two_writes_in_two_orders_are_a_cycle():
    found = history(
        (1, 20, "write", (5,), None),
        (2, 21, "write", (6,), None),
        (3, 4, "read", (), 5),
        (5, 6, "read", (), 6),
        (7, 8, "read", (), 5),
    ).violation(None)
    assert found.call.number == 4
    assert found.possible == (6,)
    assert [call.number for call in found.overlapping] == [0, 1]


def test_a_call_without_an_answer_may_have_happened_or_not():
    """At any time, also later."""
    unknown = (1, None, "write", (5,), None)
    assert history(unknown, (2, 3, "read", (), 0), (4, 5, "read", (), 5)).violation(None) is None
    assert history(unknown, (2, 3, "read", (), 5), (4, 5, "read", (), 0)).violation(None)


def test_the_first_answer_that_nothing_explains_is_the_one_that_is_shown():
    calls = [(n * 2 + 1, n * 2 + 2, "write", (n,), None) for n in range(30)]
    calls[20:20] = []
    reads = [(100, 101, "read", (), 29), (102, 103, "read", (), 3), (104, 105, "read", (), 4)]
    assert history(*calls, *reads).violation(None).call.number == 31


def test_random_histories_of_a_right_register_are_never_a_violation():
    """Each call takes effect at one moment between its two events."""
    for seed in range(150):
        draw = random.Random(seed)
        spans = [sorted(draw.sample(range(1, 200), 2)) for _ in range(14)]
        moments = sorted((draw.uniform(*span), number) for number, span in enumerate(spans))
        value, answers = 0, {}
        for _, number in moments:
            if draw.random() < 0.5:
                value = draw.randrange(4)
                answers[number] = ("write", (value,), None)
            else:
                answers[number] = ("read", (), value)
        calls = [(*spans[number], *answers[number]) for number in range(14)]
        assert history(*calls).violation(None) is None, seed


def test_a_search_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(linearizability, "_MOST_STEPS", 50)
    calls = [(n, 100 + n, "write", (n,), None) for n in range(12)]
    with pytest.raises(Undecided):
        history(*calls, (200, 201, "read", (), 99)).violation(None)
