"""The shop and the notes on a real PostgreSQL: `nox -s postgres` starts one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from tests import pages, postgres

URL = os.environ.get("SHOP_POSTGRESQL_URL")
pytestmark = pytest.mark.skipif(
    URL is None,
    reason=(postgres.MISSING if postgres.programs() is None else "no PostgreSQL runs")
    + ": nox -s postgres starts one for these tests",
)


@pytest.mark.parametrize(
    ("folder", "passed", "table"), [("shop", 32, "orders"), ("databases", 20, "notes")]
)
def test_the_suite_is_green_on_postgresql(folder: str, passed: int, table: str) -> None:
    """None is skipped, none has a finding, and it really was that database."""
    flags = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *flags],
        cwd=pages.ROOT / "examples" / folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert f"{passed} passed" in result.stdout, result.stdout + result.stderr
    assert "pytest-asyncfastapi =" not in result.stdout
    assert asyncio.run(has_table(table))


async def has_table(name: str) -> bool:
    """Has somebody made it?"""
    import asyncpg

    connection = await asyncpg.connect(URL)
    try:
        return bool(await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name))
    finally:
        await connection.close()


def test_a_machine_without_postgresql_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to install."""
    monkeypatch.setattr(postgres, "programs", lambda: None)
    with pytest.raises(SystemExit, match="apt-get install postgresql"), postgres.postgresql():
        pass
