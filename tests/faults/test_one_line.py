"""A fault in one line, and a line that has none."""

from __future__ import annotations

import httpx
import pytest

from pytest_asyncfastapi._core.frames import UserCode
from pytest_asyncfastapi._faults import Faults
from pytest_asyncfastapi._faults.errors import FaultSpecError

URL = "https://pay.example/charge"


def named() -> str:
    return "pay.example"


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    """With lines of the user's: those of this file."""
    return Faults(user_code=UserCode(request.config.rootpath))


def test_a_fault_in_the_grammar_of_marker_and_flag(faults: Faults) -> None:
    """It is the test's own: its line is named, and it must strike."""
    rule = faults.add("pay.example: refused, after=1")
    faults.add("https://nobody.example/*: reset", optional=True)
    faults.add("https://nobody.example/*: reset, optional")
    (found,) = faults.findings()
    assert found.title == "fault never hit: pay.example: refused, after=1"
    assert found.where is not None
    assert found.where.source.startswith('rule = faults.add("pay.example')
    request = httpx.Request("GET", URL)
    assert [faults.decide(request) is not None for _ in range(3)] == [False, True, True]
    assert rule.hits == 2
    assert faults.findings() == []


def test_a_dependency_in_the_grammar(faults: Faults) -> None:
    """With a line, too."""
    faults.add(f"dependency:{__name__}:named: latency=1s")
    (found,) = faults.findings()
    assert found.where is not None
    assert "faults.add" in found.where.source


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("pay.example", FaultSpecError, "this fault cannot be read"),
        ("pay.example: explode", FaultSpecError, "'explode' is not a word that is known"),
        (": reset", FaultSpecError, "the URL pattern before the colon is missing"),
        (3, TypeError, "faults.add(3): write the fault as text, such as"),
    ],
)
def test_what_is_no_fault(faults: Faults, text: object, error: type[Exception], words: str) -> None:
    """Refused where it is written."""
    with pytest.raises(error) as caught:
        faults.add(text)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_place_without_a_fault(faults: Faults) -> None:
    """A verb that was forgotten, or its parentheses: nothing can go wrong."""
    faults.on("https://a.example/*")
    faults.on("https://b.example/*").reset  # noqa: B018
    faults.dependency(named)
    faults.dependency(named).on("encode")
    found = faults.findings()
    assert [item.title for item in found] == [
        "faults.on('https://a.example/*') says where, but not what goes wrong",
        "faults.on('https://b.example/*') says where, but not what goes wrong",
        "faults.dependency(named) says where, but not what goes wrong",
        "faults.dependency(named) says where, but not what goes wrong",
    ]
    assert found[1].where is not None
    assert found[1].where.source.startswith('faults.on("https://b.example/*").reset')


def test_a_place_that_is_kept_is_meant_for_later(faults: Faults) -> None:
    """In a variable, in a branch that is not taken; and every place with a fault."""
    point = faults.on("https://a.example/*")
    places = [faults.on(url) for url in ("https://b.example/*", "https://c.example/*")]
    faults.on("https://d.example/*").reset(optional=True)
    faults.dependency(named).on("encode").latency("1s", optional=True)
    faults.dependency(named).latency("1s").optional()
    (
        faults
        .on("https://e.example/*")
        .latency("1s")
        .optional()
    )  # fmt: skip
    later = faults.on("https://f.example/*")
    later.reset(optional=True)
    del point, places, later
    assert faults.findings() == []
