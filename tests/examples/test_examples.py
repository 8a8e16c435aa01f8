"""Every example beside the shop is green, and what is planted in it is found."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import warm

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(folder: str, *arguments: str, needs: tuple[str, ...] = ()) -> tuple[int, str]:
    """The suite of an example: its exit status and what it says."""
    missing = [name for name in needs if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed here: nox -s examples installs it")
    plain = ("-p", "no:cacheprovider", "-W", "error", "-q")
    result = warm.run(*plain, *arguments, cwd=EXAMPLES / folder)
    return result.returncode, result.stdout + result.stderr


def test_the_ai_gateway_is_green_and_without_findings() -> None:
    """No false alarm, and no warning."""
    status, said = run("ai_gateway", "-p", "no:asyncio")
    assert status == 0, said
    assert "12 passed" in said
    assert "pytest-asyncfastapi =" not in said


def test_one_suite_is_green_on_three_kinds_of_app() -> None:
    """Starlette, Litestar, and no framework."""
    status, said = run("not_fastapi", "-p", "no:asyncio", needs=("litestar",))
    assert status == 0, said
    assert "15 passed" in said


DATABASES = ("tortoise", "databases", "asyncpg", "aiosqlite", "sqlalchemy")


def test_each_test_has_a_database_of_its_own() -> None:
    """By a fresh file and by a transaction; PostgreSQL is skipped, with how to turn it on."""
    status, said = run("databases", "-p", "no:asyncio", "-rs", needs=DATABASES)
    assert status == 0, said
    if "NOTES_POSTGRESQL_URL" in os.environ:
        assert "20 passed" in said
    else:
        assert "16 passed, 4 skipped" in said
        assert "set NOTES_POSTGRESQL_URL=postgresql://" in said


def test_a_sync_driver_in_an_async_def_is_found() -> None:
    """The test's own assertion holds; file, line and remedy are told."""
    status, said = run("databases", "-p", "no:asyncio", "tests_buggy", needs=DATABASES)
    assert status == 1
    source = "with closing(sqlite3.connect(path)) as connection:"
    lines = (EXAMPLES / "databases/notes/in_a_hurry.py").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if source in line)
    assert "the test's own assertions passed" in said
    assert "FOUND blocking call: sqlite3.connect(" in said
    assert f"notes/in_a_hurry.py:{number}  {source}" in said
    assert "fix: aiosqlite or SQLAlchemy's async engine" in said


MIGRATE = (
    *("pytest_asyncio", "pytest_httpx", "blockbuster", "aiosqlite"),
    *("aiohttp", "aioresponses", "requests", "responses", "vcr"),
)


def passed(said: str) -> int:
    """How many tests passed, and those of aioresponses that its newest release cannot run."""
    return sum(int(count) for count, _ in re.findall(r"(\d+) (passed|skipped)", said))


def planted(source: str) -> str:
    """`parcels/in_a_hurry.py:19`: where this stands."""
    lines = (EXAMPLES / "migrate/parcels/in_a_hurry.py").read_text().splitlines()
    return f"parcels/in_a_hurry.py:{next(n for n, line in enumerate(lines, 1) if source in line)}"


def test_before_and_after_are_green() -> None:
    """Eight suites of other tools, and the same with ours, side by side in one run."""
    status, said = run("migrate", needs=MIGRATE)
    assert status == 0, said
    assert passed(said) == 24


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (EXAMPLES / "migrate/before").glob("test_*.py"))
)
def test_before_and_after_assert_the_same(name: str) -> None:
    """Word for word."""
    suites = [(EXAMPLES / "migrate" / side / name).read_text() for side in ("before", "after")]
    before, after = ([line for line in text.splitlines() if " assert " in line] for text in suites)
    assert before == after
    assert before


def test_before_is_green_on_what_is_planted() -> None:
    """No tool of before sees any of it."""
    status, said = run("migrate", "before", "--hurry", "-p", "no:asyncfastapi", needs=MIGRATE)
    assert status == 0, said
    assert passed(said) == 12


def test_after_names_what_is_planted() -> None:
    """Each with its line."""
    status, said = run("migrate", "after", "--hurry", needs=MIGRATE)
    assert status == 1
    assert "6 failed, 6 passed, 3 errors" in said
    for suite, cause, source in [
        ("testclient", "blocking call: time.sleep(", "time.sleep(0.02)"),
        ("asgitransport", "task still running: tell() ", "asyncio.create_task(tell("),
        ("respx", "no read timeout is set on GET https://carrier.example", "timeout=None"),
        ("pytest_httpx", "response stream not closed: GET https://customs", "stream=True"),
        ("blockbuster", "blocking call: sqlite3.connect(", "sqlite3.connect("),
        (
            "aioresponses",
            "no read timeout is set on GET https://scales.example",
            "with session.get",
        ),
        ("responses", "blocking call: requests.get", "requests.get("),
        ("vcrpy", "no route answers POST https://stamps.example/visits", "client.post("),
    ]:
        told = next(text for text in said.split("FOUND ")[1:] if f"after/test_{suite}.py" in text)
        assert told.startswith(cause.partition("(")[0])
        assert planted(source) in told
