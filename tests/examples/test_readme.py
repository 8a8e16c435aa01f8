"""The README is true: its example gives its output, and its tables are complete."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_asyncfastapi._plugin.claims import OUR_FIXTURES
from pytest_asyncfastapi._plugin.markers import MARKERS
from tests import pages, warm

if TYPE_CHECKING:
    from pathlib import Path

README = (pages.ROOT / "README.md").read_text(encoding="utf-8")
COMPARISON = (pages.ROOT / "docs/comparison.md").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 is not shown a call's arguments")
def test_the_example_gives_the_output_that_is_shown(tmp_path: Path) -> None:
    """Line by line, but for durations."""
    for block in pages.blocks("README.md"):
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    (config,) = pages.blocks("README.md", "toml")
    (tmp_path / "pyproject.toml").write_text(config.text)
    (tmp_path / "shop" / "__init__.py").touch()
    (shown,) = pages.blocks("README.md", "text")
    flags = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio")
    # pytest writes longer lines where it finds itself in CI.
    shell = {
        name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")
    }
    result = warm.run(*flags, cwd=tmp_path, env={**shell, "COLUMNS": "80"})
    assert pages.settled(result.stdout) == pages.settled(shown.text)


def test_the_first_test_runs_under_either_name(pytester: pytest.Pytester) -> None:
    """`asgi_client`, and `client` with the lines for conftest.py."""
    (first,) = (block for block in pages.blocks("README.md") if not block.file)
    (alias,) = pages.blocks("docs/configuration.md")
    pytester.makepyfile(
        shop="""
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/products")
        async def products():
            return []
        """,
        conftest=alias.text,
        test_first=first.text,
        test_alias=first.text.replace("asgi_client", "client"),
    )
    flags = ("-q", "-p", "no:asyncio", "--asyncfastapi-app=shop:app")
    pytester.runpytest(*flags).assert_outcomes(passed=2)


def test_every_fixture_and_marker_is_named() -> None:
    """Nothing that exists is missing; the settings are in docs/configuration.md."""
    for name in (*OUR_FIXTURES, *(marker.partition("(")[0] for marker in MARKERS)):
        if name not in ("asgi_app", "asyncfastapi", "allow_blocking"):
            assert f"`{name}`" in README, name


def test_the_figures_of_the_peers_are_those_that_were_measured() -> None:
    """The rows of docs/comparison.md, and the rows of the results."""
    blocking = (pages.ROOT / "benchmarks/blocking/RESULTS.md").read_text()
    clock = (pages.ROOT / "benchmarks/clock/RESULTS.md").read_text()

    def row(tool: str) -> list[str]:
        found = re.search(rf"^\| {tool}[^|]*\|(.*)\|$", blocking, re.MULTILINE)
        assert found is not None
        return [cell.strip(" *") for cell in found[1].split("|")]

    def said(tool: str) -> str:
        found = re.search(rf"^\| \[{tool}\].*$", COMPARISON, re.MULTILINE)
        assert found is not None
        return found[0]

    _, ours, _, our_alarms = row("pytest-asyncfastapi")
    _, found, swallowed, _ = row("blockbuster")
    assert f"finds {found} of the corpus's {ours} (this plugin: {ours}); {swallowed} more" in said(
        "blockbuster"
    )
    _, found, _, alarms = row("aiocop")
    assert f"finds {found} of {ours}, and reports {alarms} of 83" in said("aiocop")
    assert f"(here: {our_alarms})" in said("aiocop")
    assert f"finds {row('pyleak')[1]} of {ours}" in said("pyleak")
    here, looptime, _ = re.findall(r"\*\*(\d+) of 20\*\*", clock)
    assert f"right in {looptime} of 20 cases (here: {here})" in said("looptime")
