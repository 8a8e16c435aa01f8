"""The blocks of docs/checks.md are run, as the files of one project."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_asyncfastapi._checks.rules import KINDS
from tests import pages, postgres
from tests.checks import test_coverage

if TYPE_CHECKING:
    from tests.concurrency.conftest import Projects

PAGE = "docs/checks.md"
URL = os.environ.get("POSTGRESQL_URL", "")
FLAGS = ("--asyncfastapi-app=shop:app", "-W", "error")


def test_every_python_block_runs(projects: Projects) -> None:
    """The first is the app, the others are tests, and none of them has a finding."""
    app, *blocks = pages.blocks(PAGE)
    files = {f"test_line_{block.line}": block.text for block in blocks}
    report = projects.run(*FLAGS, shop=app.text, **files)
    report.outcome(passed=4)
    assert len(blocks) == 3
    assert "pytest-asyncfastapi =" not in report.output


@pytest.mark.skipif(not URL, reason=f"{postgres.MISSING}, or none runs: nox -s postgres")
def test_the_rollback_on_postgresql(projects: Projects) -> None:
    """The same fixture, the same result."""
    app, *blocks = pages.blocks(PAGE)
    url = URL.replace("postgresql:", "postgresql+psycopg:")
    text = app.text.replace("sqlite+aiosqlite:///shop.db", url)
    clean = "\nasync def test_clean_up(asgi_client):\n"
    clean += "    async with engine.begin() as connection:\n"
    clean += '        await connection.exec_driver_sql("DROP TABLE items")\n'
    report = projects.run(*FLAGS, shop=text, test_rollback=blocks[2].text + clean)
    report.outcome(passed=3)


def test_the_output_is_what_is_printed(projects: Projects) -> None:
    """A plain test of the app, and its warning."""
    test = """
async def test_rates(asgi_client, upstream):
    upstream.get("https://rates.example/today").respond(json={})
    await asgi_client.get("/rates")
"""
    report = projects.run(*FLAGS, shop=pages.blocks(PAGE)[0].text, test_it=test)
    report.outcome(passed=1)
    shown, coverage = pages.blocks("docs/checks.md", "text")
    assert pages.is_shown_by(shown.text, report.output), report.output
    flag = "--asyncfastapi-coverage=terminal"
    report = projects.run(flag, app=test_coverage.APP, test_it=test_coverage.TEST)
    assert pages.is_shown_by(coverage.text, report.output), report.output


def test_every_check_is_in_the_table() -> None:
    text = pages.ROOT.joinpath(PAGE).read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"| `{kind}` |" in text
