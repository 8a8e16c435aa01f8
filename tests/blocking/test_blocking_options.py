"""The guard's options for whole runs: one category, a baseline, stale rules, shipped profiles."""

from __future__ import annotations

import json
import linecache
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import time

async def test_sleeps(blocking):
    time.sleep(0.001)

async def test_reads(blocking):
    open(__file__).close()

async def test_clean(blocking):
    pass
"""
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["here", "xdist"])


@pytest.fixture(autouse=True)
def _project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(TESTS)
    # For the workers: loading every plugin there is takes longer than the tests do.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p asyncfastapi -p anyio -p asyncio -p xdist -p respx")


def outcomes(result: pytest.RunResult) -> tuple[int, int]:
    """(passed, failed)."""
    found = result.parseoutcomes()
    return found.get("passed", 0), found.get("failed", 0)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", (2, 1)),  # a short file access is a warning
        ("file=fail", (1, 2)),
        ("sleep=warn", (3, 0)),
        ("sleep=off\n  file=fail", (2, 1)),
        ("sleep=off\n  file=off", (3, 0)),
    ],
)
def test_one_category_by_itself(
    pytester: pytest.Pytester, lines: str, expected: tuple[int, int]
) -> None:
    """Independent of the profile."""
    pytester.makeini(f"[pytest]\nasyncfastapi_blocking_category =\n  {lines}\n")
    result = pytester.runpytest()
    assert outcomes(result) == expected
    shown = "time.sleep" in result.stdout.str()
    assert shown == ("sleep=off" not in lines)


def test_a_category_in_a_marker(pytester: pytest.Pytester) -> None:
    """For one test."""
    pytester.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.asyncfastapi(blocking_category="sleep=off")
        async def test_it(blocking):
            time.sleep(0.001)
        """
    )
    pytester.runpytest().assert_outcomes(passed=1)


@WORKERS
def test_a_baseline_is_recorded_and_fails_only_what_is_new(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """Written by the first run; a moved line is the same finding."""
    given = ("--asyncfastapi-blocking-baseline=known.json", *workers)
    result = pytester.runpytest(*given)
    assert outcomes(result) == (3, 0)
    result.stdout.fnmatch_lines(["*baseline: 1 blocking calls recorded in known.json"])
    rows = json.loads((pytester.path / "known.json").read_text())["findings"]
    assert [(row["category"], row["call"], row["source"]) for row in rows] == [
        ("sleep", "time.sleep", "time.sleep(0.001)")
    ]

    if workers:
        return  # the rest is the same on the controller
    name = next(pytester.path.glob("test_*.py"))
    linecache.clearcache()  # which outlives a run in this process
    name.write_text("# moved\n\n" + TESTS + "    time.sleep(0.002)\n")
    result = pytester.runpytest_inprocess(*given)
    assert outcomes(result) == (2, 1)
    result.stdout.fnmatch_lines(["*baseline: 1 of 1 known blocking calls in known.json were made"])
    assert "time.sleep(0.002)" in result.stdout.str()

    name.write_text("async def test_clean(blocking):\n    pass\n")
    result = pytester.runpytest_inprocess(*given)
    assert outcomes(result) == (1, 0)
    result.stdout.fnmatch_lines(
        ["*not made any more: time.sleep (sleep) in test_sleeps*", "*1 to forget, with update:*"]
    )


def test_a_baseline_is_rewritten(pytester: pytest.Pytester) -> None:
    """`update:FILE`; of a part of the tests, what the others do is kept."""
    known = pytester.path / "known.json"
    old = {"category": "sleep", "call": "x", "path": "y.py", "function": "f", "source": "x()"}
    known.write_text(json.dumps({"findings": [old]}))
    flag = "--asyncfastapi-blocking-baseline=update:known.json"
    assert outcomes(pytester.runpytest(flag, "-k", "sleeps")) == (1, 0)
    assert [row["call"] for row in json.loads(known.read_text())["findings"]] == [
        "time.sleep",
        "x",
    ]
    assert outcomes(pytester.runpytest(flag)) == (3, 0)
    assert [row["call"] for row in json.loads(known.read_text())["findings"]] == ["time.sleep"]


def test_a_part_of_the_tests_reports_nothing_as_stale(pytester: pytest.Pytester) -> None:
    """Neither entries of the baseline nor rules."""
    pytester.runpytest("--asyncfastapi-blocking-baseline=known.json")
    pytester.makeini("[pytest]\nasyncfastapi_allow_blocking = dns\n")
    flag = "--asyncfastapi-blocking-baseline=known.json"
    text = pytester.runpytest(flag, "-k", "clean").stdout.str()
    assert "not made any more" not in text
    assert "allowed nothing" not in text


def test_an_invalid_baseline_file(pytester: pytest.Pytester) -> None:
    """One sentence before any test."""
    (pytester.path / "known.json").write_text("[]")
    result = pytester.runpytest("--asyncfastapi-blocking-baseline=known.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "known.json' is not a baseline. Fix: give another file" in result.stderr.str()


@WORKERS
def test_a_rule_that_allowed_nothing_is_reported(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """Once, of the whole run; a rule that one test used is used."""
    pytester.makeini("[pytest]\nasyncfastapi_allow_blocking =\n  sleep@test_*\n  dns@shop\n")
    result = pytester.runpytest(*workers)
    assert outcomes(result) == (3, 0)
    lines = [line for line in result.outlines if "allowed nothing" in line]
    assert lines == [
        "note  asyncfastapi_allow_blocking: 'dns@shop' allowed nothing in the whole run"
    ]


def _ship(folder: Path, rows: str) -> None:
    (folder / "lib_profile.py").write_text(f"ROWS = {rows}\n")
    info = folder / "lib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lib\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[asyncfastapi_blocking_profile]\nlib = lib_profile:ROWS\n"
    )


@pytest.fixture
def site(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder on the path, for a package that is installed."""
    folder = pytester.mkdir("site")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("lib_profile", None)


def test_a_library_ships_its_profile(pytester: pytest.Pytester, site: Path) -> None:
    """An entry point names rows of rule and reason."""
    _ship(site, '[("sleep@test_a_library*", "its heart beats")]')
    assert outcomes(pytester.runpytest()) == (3, 0)


def test_a_broken_profile_is_named(pytester: pytest.Pytester, site: Path) -> None:
    """Each guarded test fails with one message."""
    _ship(site, '[("noise@x", "no such category")]')
    result = pytester.runpytest()
    text = result.stdout.str()
    assert "the blocking profile 'lib' (lib_profile:ROWS) is broken" in text
    assert "'noise@x' is not an allow rule" in text
