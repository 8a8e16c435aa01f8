"""The example on aiohttp, Redis and PostgreSQL, on real servers: `nox -s postgres` starts them."""

from __future__ import annotations

import os

import pytest

from tests import pages, warm

SERVERS = {"RATES_REDIS_URL", "RATES_POSTGRESQL_URL"} <= os.environ.keys()
FLAGS = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error")
FOLDER = pages.ROOT / "examples/exchange_office"


def test_without_servers_it_is_skipped_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RATES_REDIS_URL", "RATES_POSTGRESQL_URL"):
        monkeypatch.delenv(name, raising=False)
    result = warm.run(*FLAGS, "-rs", cwd=FOLDER)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "13 skipped" in result.stdout
    assert "there is no server to test with: set RATES_REDIS_URL=redis://" in result.stdout


@pytest.mark.skipif(not SERVERS, reason="no Redis and PostgreSQL run: nox -s postgres starts them")
def test_the_suite_is_green() -> None:
    """What is listed is a cache that is done without, as it is meant."""
    result = warm.run(*FLAGS, cwd=FOLDER)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "13 passed" in result.stdout
    assert "0 findings that fail tests, 2 warnings" in result.stdout
    assert "real speed" not in result.stdout


@pytest.mark.skipif(not SERVERS, reason="no Redis and PostgreSQL run: nox -s postgres starts them")
def test_the_connection_that_is_lost_is_found() -> None:
    """With the line that takes it."""
    result = warm.run(*FLAGS, "tests_buggy", cwd=FOLDER)
    assert result.returncode == 1
    assert "fault sweep: pool connection lost when GET redis://" in result.stdout
    assert "connection = await office.pool.acquire()" in result.stdout
