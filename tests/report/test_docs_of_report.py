"""The example of docs/report.md reads a real report, and its tables are complete."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_asyncfastapi._report.outputs import FORMATS

PAGE = (Path(__file__).parents[2] / "docs/report.md").read_text("utf-8")


def test_the_reader_of_the_json_report_runs(project: pytest.Pytester) -> None:
    """As it stands there."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    project.runpytest_inprocess("--asyncfastapi-json=report.json", "-k", "checkout")
    reader = project.makepyfile(reader=block)
    told = subprocess.run(
        [sys.executable, str(reader)], cwd=project.path, capture_output=True, text=True, check=True
    ).stdout
    assert "shopapp.py:31: blocking call: time.sleep" in told
    assert "POST https://pay.example/charges -> 201, 2.0 s injected" in told


def test_every_format_is_told() -> None:
    """With its option: none in "docs/report.md" is missing."""
    for option, _, _ in FORMATS:
        assert f"`--asyncfastapi-{option}=FILE`" in PAGE
