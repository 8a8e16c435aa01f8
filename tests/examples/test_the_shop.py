"""The example shop: the sound suite is green, and each planted bug is found by name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pages, warm

SHOP = Path(__file__).parents[2] / "examples" / "shop"


def run_shop(*arguments: str) -> subprocess.CompletedProcess[str]:
    plain = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-q")
    return warm.run(*plain, *arguments, cwd=SHOP)


@pytest.fixture(scope="module")
def buggy() -> str:
    """The report of the buggy suite."""
    result = run_shop("tests_buggy")
    assert result.returncode == 1, result.stdout
    assert "8 failed, 1 passed, 1 error" in result.stdout
    return result.stdout


def test_the_sound_suite_is_green_and_without_findings() -> None:
    """No false alarm, and no warning."""
    result = run_shop("-W", "error")
    assert result.returncode == 0, result.stdout
    assert "30 passed, 2 skipped" in result.stdout
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
        (r"no read timeout is set on POST https://pay\.example/charges: it would never end",
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


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 is not shown a call's arguments")
def test_the_finding_in_the_readme_is_the_real_one(buggy: str) -> None:
    """An excerpt."""
    (shown,) = pages.blocks("examples/shop/README.md", "text")
    assert pages.is_shown_by(shown.text, buggy)


def test_cleanup_that_a_cancelled_request_skips_is_found(buggy: str) -> None:
    """By the sweep: where it was cut, and what does not hold any more."""
    told = section(buggy, "test_one_is_bought_in_the_sale")
    assert "the test's own assertions passed" in told
    assert "disconnect sweep: side effect when the handler is cancelled" in told
    assert f"{place('payments.py', 'timeout=None)')}, in Payments.charge" in told
    assert "in POST /sale/orders" in told
    assert "the invariant does not hold: AssertionError: assert (4 + 0) == 5" in told
    assert "except BaseException: undo it; raise" in told


def test_the_lost_update_is_found_by_schedules(buggy: str) -> None:
    """As an interleaving of the two requests."""
    told = section(buggy, "test_one_is_bought_while_one_comes_back")
    assert "the test's own assertions passed" in told
    assert "race: the test fails when its tasks run in another order" in told
    line = place("sale.py", "await shop.payments.refund(charge)").rpartition(":")[2]
    assert f"in refund (from give_back:{line})" in told
    assert "no await between reading and writing" in told
    assert "--asyncfastapi-replay=schedules:" in told


def section(report: str, test: str) -> str:
    """What is reported of one test, in one line."""
    told = next(text for text in report.split("\n____") if test in text.splitlines()[0])
    return " ".join(told.partition("=====")[0].split())


def place(file: str, source: str) -> str:
    """`shop_buggy/stock.py:32`: where this stands."""
    lines = (SHOP / "shop_buggy" / file).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if source in line)
    return f"shop_buggy/{file}:{number}"


def test_the_unbounded_gather_is_found_by_the_tests_own_assertion(buggy: str) -> None:
    """What the stock room can take is known to the test alone; the rest is told by the plugin."""
    told = next(text for text in buggy.split("\n____") if "calls were in flight" in text)
    source = "response = await self._http.get(path)"
    assert "60 upstream calls were in flight at one time, and at most 10 are allowed" in told
    assert "limit them with anyio.CapacityLimiter(10)" in told
    assert f"60 from {place('stock.py', source)} in Stock._get: {source}" in told
    assert "assert 60 <= 10" not in told
