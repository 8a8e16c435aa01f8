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
    assert "6 failed, 1 passed, 1 error" in result.stdout
    return result.stdout


def test_the_sound_suite_is_green_and_without_findings() -> None:
    """No false alarm, and no warning."""
    result = run_shop("-W", "error")
    assert result.returncode == 0, result.stdout
    assert "23 passed" in result.stdout
    assert "pytest-asyncfastapi =" not in result.stdout


def test_the_buggy_suites_own_assertions_hold() -> None:
    """With the guards off and its upstreams at peace, ordinary tests see nothing."""
    off = [f"--asyncfastapi-{guard}=off" for guard in ("blocking", "leaks", "threads")]
    result = run_shop("tests_buggy", *off, "-k", "bestsellers or asked or labels or order_can")
    assert "4 passed" in result.stdout, result.stdout
    assert result.returncode == 0


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
        (r"thread pool exhausted: \d+ calls waited for one of the 40 threads",
         "shop_buggy/orders.py", "def print_label(order_id: int) -> str:", "make the endpoint"),
        (r"task still running: remind\(\) was started and is not awaited by anybody",
         "shop_buggy/orders.py", "asyncio.create_task(remind(order))", "asyncio.TaskGroup()"),
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


def test_the_unbounded_gather_is_found_by_the_tests_own_assertion(buggy: str) -> None:
    """What the stock room can take is known to the test alone; the rest is told by the plugin."""
    told = next(text for text in buggy.split("\n____") if "calls were in flight" in text)
    source = "response = await self._http.get(path)"
    lines = (SHOP / "shop_buggy/stock.py").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if source in line)
    assert "60 upstream calls were in flight at one time, and at most 10 are allowed" in told
    assert "limit them with anyio.CapacityLimiter(10)" in told
    assert f"60 from shop_buggy/stock.py:{number} in Stock._get: {source}" in told
    assert "assert 60 <= 10" not in told
