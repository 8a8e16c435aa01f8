"""The Python blocks of docs/concurrency.md are run, as the test files of one project."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "concurrency.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_python_block_runs(projects):
    """The first is the app, the others are tests, and none of them has a finding."""
    app, *blocks = _BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    files = {f"test_block_{number}": text for number, text in enumerate(blocks)}
    report = projects.run("--asyncfastapi-app=shop:app", "-W", "error", shop=app, **files)
    report.outcome(passed=len(blocks))
    assert len(blocks) == 4
    assert "pytest-asyncfastapi =" not in report.output


def test_the_place_in_the_text_is_the_place_in_the_block():
    """The example of who created a task."""
    text = DOCUMENT.read_text(encoding="utf-8")
    line = _BLOCK.findall(text)[0].splitlines()[16 - 1]
    assert "shop.py:16" in text
    assert "create_task(send_mail())" in line
