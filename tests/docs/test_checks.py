"""Links, names and settings: what a page says exists, and what exists is on a page."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

import pytest_asyncfastapi
from pytest_asyncfastapi._plugin.options import OPTIONS
from tests import pages
from tests.docs import generated

PAGES = sorted(
    path.relative_to(pages.ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "examples/*/README.md")
    for path in pages.ROOT.glob(pattern)
)
_LINK = re.compile(r"(?<!`)\[[^\]]+\]\(([^)\s]+)\)")
_OTHER_FLAGS = {"doctor"}  # not a setting


@cache
def prose(page: str) -> str:
    """A page without its fenced blocks."""
    text = (pages.ROOT / page).read_text("utf-8")
    return re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(path: Path) -> set[str]:
    """The ids that its headings get: as MkDocs and GitHub both make them of plain words."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    slugs = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[\s]+", "-", slug) for slug in slugs}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """To a file of the project, and to a heading that it has."""
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = ((pages.ROOT / page).parent / unquote(name)).resolve() if name else pages.ROOT / page
        assert path.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(path), f"{page}: {target}"


def test_what_the_site_links_is_on_the_site() -> None:
    """A page of docs/ links pages of docs/ only: the site has no others."""
    for page in PAGES:
        if not page.startswith("docs/"):
            continue
        for target in _LINK.findall(prose(page)):
            if not re.match(r"[a-z]+:|#", target):
                path = ((pages.ROOT / page).parent / target.partition("#")[0]).resolve()
                assert path.is_relative_to(pages.ROOT / "docs"), f"{page}: {target}"


def test_every_page_is_in_the_navigation() -> None:
    """And the navigation names no page that is not there."""
    text = (pages.ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    named = re.findall(r"([\w/.-]+\.md)$", text, re.MULTILINE)
    there = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
    assert sorted(named) == sorted(there)


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_exists(page: str) -> None:
    """Flags and ini keys, in text and in blocks; TOML can be read by pytest."""
    text = (pages.ROOT / page).read_text("utf-8")
    known = {option.name for option in OPTIONS}
    flags = {name.replace("-", "_") for name in re.findall(r"--asyncfastapi-([a-z][a-z-]*)", text)}
    # An entry point group of that name, and a name with a placeholder.
    keys = set(re.findall(r"\basyncfastapi_([a-z_]+)\b", text)) - {"blocking_profile", "share"}
    assert flags - known - _OTHER_FLAGS == set()
    assert keys - known == set()
    for block in pages.blocks(page, "toml"):
        table = tomllib.loads(block.text)["tool"]["pytest"]["ini_options"]
        for name, value in table.items():
            (option,) = (option for option in OPTIONS if option.ini == name)
            for item in value if option.many else [value]:
                option.parse(item)


@pytest.mark.parametrize("page", PAGES)
def test_yaml_can_be_read(page: str) -> None:
    """The workflows for CI."""
    found = pages.blocks(page, "yaml")
    if not found:
        return
    yaml = pytest.importorskip("yaml")
    for block in found:
        assert yaml.safe_load(block.text)


@pytest.mark.parametrize("page", sorted(generated.parts()))
def test_what_is_generated_is_up_to_date(page: str) -> None:
    """`python -m tests.docs.generated` writes it."""
    text = (pages.ROOT / "docs" / page).read_text("utf-8")
    for name, part in generated.parts()[page].items():
        assert generated.written(text, name, part) == text, "run python -m tests.docs.generated"


def test_every_public_name_has_a_page() -> None:
    """In the reference."""
    text = (pages.ROOT / "docs/reference.md").read_text("utf-8")
    named = {entry.rpartition(".")[2] for entry in re.findall(r"^::: (\S+)$", text, re.MULTILINE)}
    assert set(pytest_asyncfastapi._HOMES) <= named


@pytest.mark.parametrize(
    ("task", "page"),
    [
        ("log in", "how_to/login.md"),
        ("roll back", "how_to/database.md"),
        ("two apps", "how_to/two_apps.md"),
        ("a factory", "how_to/factories.md"),
        ("allow a finding", "how_to/allow_findings.md"),
        ("a baseline", "how_to/baseline.md"),
        ("replay a race", "how_to/races.md"),
        ("mock OpenAI", "how_to/sdk_clients.md"),
        ("a slow PostgreSQL", "how_to/slow_database.md"),
        ("read a sweep's matrix", "how_to/sweeps.md"),
    ],
)
def test_a_newcomers_task_is_two_clicks_away(task: str, page: str) -> None:
    """From the home page, by links in the text."""
    home = pages.ROOT / "docs/index.md"
    first = {
        (home.parent / target.partition("#")[0]).resolve()
        for target in _LINK.findall(prose("docs/index.md"))
        if not target.startswith("http")
    }
    second = {
        (path.parent / target.partition("#")[0]).resolve()
        for path in first
        for target in _LINK.findall(prose(path.relative_to(pages.ROOT).as_posix()))
        if not target.startswith("http")
    }
    assert (pages.ROOT / "docs" / page) in first | second, task
