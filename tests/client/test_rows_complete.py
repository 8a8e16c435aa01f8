"""No row of the checklist without a test that is named by it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROWS = Path(__file__).parents[1] / "data" / "asgi_rows.txt"
LEVELS = dict(
    line.split() for line in ROWS.read_text(encoding="utf-8").splitlines() if line[0] != "#"
)


def rows_named(text: str) -> set[str]:
    """The rows in the names of the tests of a module: `test_L08_N07_a_start_up_...`."""
    names = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    ]
    return {row for name in names for row in re.findall(r"_([A-Z]\d\d)(?=_)", name)}


def all_named() -> set[str]:
    return {
        row
        for path in Path(__file__).parent.glob("test_*.py")
        for row in rows_named(path.read_text())
    }


def test_the_checklist_is_whole() -> None:
    """144 rows, in twelve groups that count from 1."""
    assert len(LEVELS) == 144
    assert set(LEVELS.values()) == {"MUST", "SHOULD", "MAY"}


@pytest.mark.parametrize("level", ["MUST", "SHOULD", "MAY"])
def test_every_row_has_a_test_named_by_it(level: str) -> None:
    """The names are the index: `pytest -k R04`."""
    rows = {row for row, its in LEVELS.items() if its == level}
    assert sorted(rows - all_named()) == []


def test_no_test_is_named_by_a_row_that_does_not_exist() -> None:
    """A slip of the pen would look like a row that is met."""
    assert sorted(all_named() - set(LEVELS)) == []


def test_names_are_read_as_they_are_meant() -> None:
    """Planted: two rows in a name, one in a helper, one in a word."""
    text = (
        "async def test_L08_N07_x(): ...\ndef helper_A01_x(): ...\ndef test_xA02_y(): ...\n"
        "class C:\n    def test_B03_z(self): ...\n"
    )
    assert rows_named(text) == {"L08", "N07", "B03"}
