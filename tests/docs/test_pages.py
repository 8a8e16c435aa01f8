"""No code block and no output of README, docs and examples goes unchecked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pytest_asyncfastapi
from tests import pages

PAGES = sorted(
    path.relative_to(pages.ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "examples/*/README.md")
    for path in pages.ROOT.glob(pattern)
)
TESTS = [path.read_text("utf-8") for path in Path(__file__).parents[1].rglob("test_*.py")]


def said(page: str) -> str:
    """The text of a page."""
    return (pages.ROOT / page).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_what_stands_in_blocks_is_run_or_compared(page: str) -> None:
    """Python and outputs: by a test that reads them from the page."""
    languages = {block.language for block in pages.blocks(page, "")}
    # TOML is read by the runs of the pages.
    assert languages <= {"python", "text", "toml", "diagram", "yaml", "diff"}
    examples = (pages.ROOT / page).parent.name == "findings" and "shop_fixed.py" in said(page)
    if "python" in languages and not examples:  # those are run together
        assert any(f'"{page}"' in text for text in TESTS)
    if "text" in languages:
        assert any(re.search(rf'"{page}", "text"', text) for text in TESTS)


def test_the_first_page_runs(pytester: pytest.Pytester) -> None:
    """Its app, its configuration, its test."""
    assert pages.write(pytester.path, "docs/index.md") == 1
    (config,) = pages.blocks("docs/index.md", "toml")
    pytester.makepyprojecttoml(config.text + 'filterwarnings = ["error"]\n')
    pytester.runpytest("-q", "-p", "no:asyncio").assert_outcomes(passed=1)


def test_the_example_without_a_framework_is_the_examples_own() -> None:
    """The fixture that its README shows."""
    (block,) = pages.blocks("examples/not_fastapi/README.md")
    shown = [line.strip() for line in block.text.splitlines()]
    real = (pages.ROOT / "examples/not_fastapi/tests/conftest.py").read_text()
    for line in shown:
        assert re.sub(r"\(request\):$", "(request", line) in real


def test_the_excerpt_of_the_shop_is_the_shops_own() -> None:
    """A test as its README shows it."""
    (block,) = pages.blocks("examples/shop/README.md")
    real = (pages.ROOT / "examples/shop/tests/test_upstream_trouble.py").read_text()
    assert " ".join(block.text.split()) in " ".join(real.split())


def test_the_commands_for_contributors_are_the_makefiles() -> None:
    """Each `make ...` is a target."""
    (block,) = pages.blocks("CONTRIBUTING.md", "text")
    makefile = (pages.ROOT / "Makefile").read_text()
    named = re.findall(r"^make (\w+)", block.text, re.MULTILINE)
    assert {"test", "lint"} <= set(named)
    assert all(f"\n{target}:" in makefile for target in named)


def test_every_public_name_is_in_the_reference() -> None:
    """Under the module in which it lives."""
    text = (pages.ROOT / "docs/reference.md").read_text()
    for name, home in pytest_asyncfastapi._HOMES.items():
        assert f"::: pytest_asyncfastapi.{home}.{name}\n" in text
