"""The README is true: its example gives its output, and its tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_asyncfastapi.markers import MARKERS
from pytest_asyncfastapi.settings import OPTIONS
from pytest_asyncfastapi.state import OUR_FIXTURES

README = (Path(__file__).parents[2] / "README.md").read_text()


def settled(text: str) -> list[str]:
    """The lines of an output without what differs from run to run."""
    text = re.sub(r"\d+(\.\d+)? ms", "N ms", text)
    text = re.sub(r" in \d+\.\d+s", " in N s", text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 is not shown a call's arguments")
def test_the_example_gives_the_output_that_is_shown(tmp_path: Path) -> None:
    """Line by line, but for durations."""
    for block in re.findall(r"```(?:python|toml)\n(.*?)```", README, re.DOTALL):
        named = re.match(r"# (\S+\.py)\n", block)
        path = tmp_path / (named[1] if named else "pyproject.toml")
        if named or block.startswith("[tool.pytest"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(block)
    (tmp_path / "shop" / "__init__.py").touch()
    shown = re.search(r"```text\n(F\..*?)```", README, re.DOTALL)
    assert shown is not None
    flags = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio")
    # pytest writes longer lines where it finds itself in CI.
    shell = {
        name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")
    }
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *flags],
        cwd=tmp_path,
        env={**shell, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert settled(result.stdout) == settled(shown[1])


def test_every_fixture_marker_and_option_is_in_its_table() -> None:
    """Nothing that exists is missing."""
    for name in OUR_FIXTURES:
        assert re.search(rf"^\| `{name}` \|", README, re.MULTILINE), name
    for option in OPTIONS:
        assert re.search(rf"^\|.*`{option.name}`.*\|", README, re.MULTILINE), option.name
    for marker in MARKERS:
        assert f"@pytest.mark.{marker.partition('(')[0]}(" in README
