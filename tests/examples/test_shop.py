"""The example shop: the sound suite is green, and each planted bug is found by name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[2] / "examples" / "shop"


def run_shop(*arguments: str) -> subprocess.CompletedProcess[str]:
    plain = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-q")
    command = [sys.executable, "-m", "pytest", *plain, *arguments]
    return subprocess.run(
        command, cwd=SHOP, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def buggy() -> str:
    """The report of the buggy suite."""
    result = run_shop("tests_buggy")
    assert result.returncode == 1, result.stdout
    assert "4 failed" in result.stdout
    return result.stdout


def test_the_sound_suite_is_green_and_without_findings() -> None:
    """No false alarm, and no warning."""
    result = run_shop("-W", "error")
    assert result.returncode == 0, result.stdout
    assert "21 passed" in result.stdout
    assert "pytest-asyncfastapi =" not in result.stdout


def test_the_buggy_suites_own_assertions_hold() -> None:
    """With the guards off and its upstreams at peace, ordinary tests see nothing."""
    result = run_shop("tests_buggy", "--asyncfastapi-blocking=off", "-k", "bestsellers or asked")
    assert "2 passed" in result.stdout


@pytest.mark.parametrize(
    ("title", "file", "source", "remedy"),
    [
        (r"blocking call: time\.sleep.* held the event loop for 2\d\d ms",
         "shop_buggy/stock.py", "time.sleep(pause)", "await anyio.sleep("),
        (r"no read timeout is set on POST https://pay\.example/charges: it would hang for ever",
         "shop_buggy/payments.py", "timeout=None", "timeout=5"),
        (r"no route answers POST https://stats\.example/views",
         "shop_buggy/catalogue.py", "https://stats.example/views", "upstream.post("),
        (r"blocking call: sqlite3\.connect",
         "shop_buggy/catalogue.py", "sqlite3.connect(path)", "aiosqlite"),
    ],
)  # fmt: skip
def test_each_planted_bug_is_found(
    buggy: str, title: str, file: str, source: str, remedy: str
) -> None:
    """The terminal alone names cause, file, line and remedy."""
    match = re.search(rf"^{title}.*\n(?:.*\n)*?(?=\n|=)", buggy, re.MULTILINE)
    assert match is not None, buggy
    told = match.group()
    number = next(
        n for n, line in enumerate((SHOP / file).read_text().splitlines(), 1) if source in line
    )
    assert f"{file}:{number}" in told
    assert source in told
    assert remedy in told
