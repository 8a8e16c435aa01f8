"""docs/blocking.md says what the code does."""

from __future__ import annotations

import re

import pytest

from pytest_asyncfastapi._blocking import AllowRule, BlockingPolicy
from pytest_asyncfastapi._blocking.catalog import CATEGORIES
from tests import pages
from tests.blocking.catalog_table import BEGIN, END, PAGE, table
from tests.blocking.corpus import BLOCKING, CLEAN
from tests.blocking.corpus.known_misses import MISPLACED, PYTHON_311, TRIO, UVLOOP

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_table_is_the_catalog() -> None:
    """Made by `python -m tests.blocking.catalog_table`."""
    assert TEXT.partition(BEGIN)[2].partition(END)[0] == table()


def test_every_category_is_explained() -> None:
    """By its name, in the list of what fails when."""
    assert [name for name in CATEGORIES if f"`{name}`" not in TEXT] == []


def test_every_missed_case_is_named() -> None:
    """What is not found is said by name."""
    names = {**PYTHON_311, **TRIO, **UVLOOP, **MISPLACED}
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_the_size_of_the_corpus() -> None:
    """So many functions that block, so many that do not."""
    assert f"{len(BLOCKING)} small functions that block and\n{len(CLEAN)} that do not" in TEXT


def test_the_thresholds_are_the_policys() -> None:
    """50 ms and 250 ms."""
    assert f"{BlockingPolicy().step_threshold * 1000:.0f} ms" in TEXT
    assert f"{BlockingPolicy().cpu_threshold * 1000:.0f} ms" in TEXT


@pytest.mark.parametrize("line", re.findall(r"^    (\S+)  +# allows", TEXT, re.MULTILINE))
def test_the_rules_of_the_page_are_rules(line: str) -> None:
    """Each example of an allow rule is one."""
    assert AllowRule(line).text == line


def test_the_examples_run(pytester: pytest.Pytester) -> None:
    """The Python blocks of the page, as one project."""
    app, tests = pages.blocks("docs/blocking.md")
    pytester.makepyfile(shop=app.text, test_shop=tests.text)
    pytester.makeini(pages.INI + "asyncfastapi_app = shop:app\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*blocking call: time.sleep* held the event loop for *"])
