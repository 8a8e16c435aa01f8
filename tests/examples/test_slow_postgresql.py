"""docs/how_to/slow_database.md and database.md on a real PostgreSQL: `nox -s postgres`."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests import pages, postgres

URL = os.environ.get("POSTGRESQL_URL", "")
pytestmark = pytest.mark.skipif(
    not URL,
    reason=(postgres.MISSING if postgres.programs() is None else "no PostgreSQL runs")
    + ": nox -s postgres starts one for these tests",
)


def test_the_page_of_the_slow_database(pytester: pytest.Pytester) -> None:
    """The first half of the page: asyncpg, its timeout, and a lost connection."""
    pytest.importorskip("asyncpg")
    pages.write(pytester.path, "docs/how_to/slow_database.md")
    pytester.makeini(pages.INI)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "test_stock.py")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*pytest-asyncfastapi =*")


def test_rolled_back(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction for each test, on PostgreSQL."""
    asyncpg = pytest.importorskip("asyncpg")

    async def drop() -> None:  # other tests have tables of this name
        connection = await asyncpg.connect(URL)
        await connection.execute("drop table if exists notes cascade")
        await connection.close()

    asyncio.run(drop())
    driver = URL.replace("postgresql://", "postgresql+asyncpg://")
    monkeypatch.setenv("TEST_DATABASE_URL", driver)
    pages.write(pytester.path, "docs/how_to/database.md")
    pytester.makeini(pages.INI)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "test_rolled_back.py")
    result.assert_outcomes(passed=2)
