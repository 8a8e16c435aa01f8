"""The table in docs/client.md is measured here: our client and uvicorn, the same apps."""

from __future__ import annotations

import difflib
from pathlib import Path

from .table import BEGIN, END, ROWS, measured, table, versions
from .why import WHY

DOCUMENT = Path(__file__).parents[3] / "docs" / "client.md"


def test_the_documented_table_is_what_is_measured() -> None:
    """Line by line; the versions it was measured with may be older.

    And each difference has its reason, so that none is new without somebody having thought
    about it. One test, because the measurement takes its time.
    """
    results = measured()
    different = {row.what for row, ours, theirs in results if ours != theirs}
    assert different == set(WHY)
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    block, end, _ = rest.partition(END)
    assert end, f"no {BEGIN} ... {END} in {DOCUMENT}"
    documented = [line for line in block.splitlines() if line.startswith("|")]
    change = list(difflib.unified_diff(documented, table(results).splitlines(), lineterm="", n=0))
    assert not change, "\n".join(
        [
            "docs/client.md does not say what is measured. If the new behaviour is right: "
            "cd tests/client && python -m oracle",
            versions(),
            *change,
        ]
    )


def test_row_texts_are_unique() -> None:
    """They are how a reason finds its row."""
    texts = [row.what for row in ROWS]
    assert len(set(texts)) == len(texts)
