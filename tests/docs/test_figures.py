"""Figures and defaults of README and docs are those of the code, the data and the results."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests import pages
from tests.blocking.corpus import BLOCKING
from tests.blocking.corpus.known_misses import PYTHON_311, UVLOOP


def said(page: str) -> str:
    """A page as one line, without the breaks of its paragraphs."""
    return " ".join((pages.ROOT / page).read_text("utf-8").split())


def number(place: str) -> float:
    """The value of `module:NAME` in the package."""
    module, _, name = place.partition(":")
    value: float = getattr(import_module(f"pytest_asyncfastapi.{module}"), name)
    return value


WORDS = {1: "a", 3: "three", 5: "five", 12: "twelve"}


@pytest.mark.parametrize(
    ("page", "sentence", "place", "unit"),
    [
        ("docs/client.md", "after {} KiB its `send()` waits", "_client.exchange:HIGH_WATER", 1024),
        ("docs/client.md", "Only where more than {} of them wait", "_client.exchange:CROWD", 1),
        ("docs/client.md", "joined, up to {} KiB", "_client.exchange:AT_ONCE", 1024),
        (
            "docs/client.md",
            "the app has {} KiB still",
            "_client.websocket_exchange:HIGH_WATER",
            1024,
        ),
        ("docs/client.md", "has {} s to end, as under", "_client.background:PATIENCE", 1),
        ("docs/clock.md", "After {:,} steps without a rest", "_clock.jump_policy:BUSY_STEPS", 1),
        ("docs/concurrency.md", "up to {} generations", "_core.creation_site:_MAX_GENERATIONS", 1),
        (
            "docs/concurrency.md",
            "it has {} second to end",
            "_concurrency.leak_detector:_JOIN_TIMEOUT",
            1,
        ),
        (
            "docs/concurrency.md",
            "its cancellation {} times",
            "_concurrency.deadline:_MAX_CANCELS",
            1,
        ),
        ("docs/architecture.md", "waits {} virtual seconds", "_plugin.upstream:PATIENCE", 1),
        ("docs/architecture.md", "has not run for {} ms", "_clock.idle_threads:_REST", 0.001),
        ("docs/explore.md", "Of more than {} equal calls", "_explore.model:ALL", 1),
        (
            "docs/report.md",
            "shorter than a millisecond",
            "_recording.task_recorder:_MIN_WAIT",
            0.001,
        ),
        (
            "docs/report.md",
            "what comes after {:,} in one",
            "_recording.task_recorder:_MAX_RECORDS",
            1,
        ),
        (
            "docs/blocking.md",
            "fails from {} ms on and",
            "_blocking.blocking_findings:_SLOW_HASH",
            0.001,
        ),
    ],
)
def test_a_figure_is_the_codes(page: str, sentence: str, place: str, unit: float) -> None:
    """A constant that a page names, as a number or as a word."""
    value = round(number(place) / unit)
    shown = [sentence.format(value)]
    if "{}" in sentence and value in WORDS:
        shown.append(sentence.format(WORDS[value]))
    assert any(text in said(page) for text in shown), shown


def test_what_is_found_of_the_corpus() -> None:
    """On Python 3.11, and on uvloop."""
    total = len(BLOCKING)
    assert f"all but {len(PYTHON_311)} of the corpus's {total} cases" in said("docs/explanation.md")
    text = said("docs/blocking.md")
    assert f"with {total - len(UVLOOP)} of the {total} found" in text


def test_the_peers_of_the_guard() -> None:
    """The table of the page is that of the results."""
    results = (pages.ROOT / "benchmarks/blocking/RESULTS.md").read_text("utf-8")
    page = (pages.ROOT / "docs/blocking.md").read_text("utf-8")
    rows = re.findall(
        r"^\| ([a-z ]+\w) (?:\(strict\) )?\| [\d.]+ \| \**(\d+)\** \| (\d+) \| \**(\d+)\** \|$",
        results.replace("pytest-asyncfastapi", "this guard"),
        re.MULTILINE,
    )
    assert len(rows) == 5
    for tool, found, swallowed, alarms in rows:
        more = f", and {swallowed} that the app swallowed" if swallowed != "0" else ""
        assert f"| {tool} | {found}{more} | {alarms} |" in page


def test_how_many_examples_there_are() -> None:
    """Projects in all, and suites of other tools."""
    examples = [path for path in (pages.ROOT / "examples").iterdir() if path.is_dir()]
    assert len(examples) == 6
    assert "Six small projects" in said("docs/index.md")
    suites = list((pages.ROOT / "examples/migrate/before").glob("test_*.py"))
    assert len(suites) == 8
    assert "eight suites as they are written today" in said("examples/migrate/README.md")


@pytest.mark.parametrize("plugin", ["no:asyncfastapi", "asyncfastapi"])
def test_strict_configuration_needs_the_plugin(pytester: pytest.Pytester, plugin: str) -> None:
    """As docs/configuration.md says, and its opposite."""
    pytester.makeini("[pytest]\nstrict = true\nasyncfastapi_app = shop:app\n")
    pytester.makepyfile("def test_plain(): pass")
    flags = () if plugin == "asyncfastapi" else ("-p", plugin)
    result = pytester.runpytest_subprocess("-q", "-p", "no:asyncio", *flags)
    if flags:
        result.stderr.fnmatch_lines(["*Unknown config option: asyncfastapi_app*"])
        assert result.ret != 0
    else:
        result.assert_outcomes(passed=1)
