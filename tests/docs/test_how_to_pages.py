"""Each how-to page is a project: all of its tests pass, without a finding."""

from __future__ import annotations

import sys

import pytest

from tests import pages

NO_APP = ""
RUN = {
    "docs/how_to/login.md": "asyncfastapi_app = shop:app",
    "docs/how_to/database.md": "asyncfastapi_app = notes:app",
    "docs/how_to/settings.md": "asyncfastapi_app = shop:app",
    "docs/how_to/two_apps.md": "asyncfastapi_app = shop:app",
    "docs/how_to/factories.md": "asyncfastapi_app = shop:create_app",
    "docs/how_to/uploads.md": "asyncfastapi_app = shop:app",
    "docs/how_to/sync_tests.md": "asyncfastapi_app = shop:app",
    "docs/how_to/retries.md": "asyncfastapi_app = shop:app",
    "docs/how_to/circuit_breakers.md": "asyncfastapi_app = shop:app",
    "docs/how_to/websockets.md": "asyncfastapi_app = shop:app",
    "docs/how_to/allow_findings.md": "asyncfastapi_app = shop:app",
    "docs/how_to/other_clients.md": "asyncfastapi_app = shop:app",
}


@pytest.mark.parametrize("page", RUN)
def test_the_page_runs(
    pytester: pytest.Pytester, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one project with the configuration that it speaks of."""
    tests = pages.write(pytester.path, page)
    for path in pytester.path.rglob("test_*.py"):  # some have the name of a test file of ours
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    pytester.makeini(f"{pages.INI}{RUN[page]}\nfilterwarnings = error\n")
    result = pytester.runpytest("-q", "-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] >= tests > 0  # some are parametrized
    result.stdout.no_fnmatch_line("*pytest-asyncfastapi =*")


def test_a_slow_database_without_a_server(pytester: pytest.Pytester) -> None:
    """The second half of the page; the first one needs a PostgreSQL."""
    pages.write(pytester.path, "docs/how_to/slow_database.md")
    pytester.makeini(pages.INI)
    pytester.runpytest("-q", "test_library.py").assert_outcomes(passed=1)


def test_the_race_is_found_and_replayed(pytester: pytest.Pytester) -> None:
    """The test of the page fails; the token of the report fails again."""
    pages.write(pytester.path, "docs/how_to/races.md")
    pytester.makeini(f"{pages.INI}asyncfastapi_app = shop:app\n")
    result = pytester.runpytest("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*race: the test fails when its tasks run in another order*"])
    (replay,) = {
        line.rpartition("--asyncfastapi-replay=")[2].strip()
        for line in result.outlines
        if line.strip().startswith("replay") and "--asyncfastapi-replay=" in line
    }
    again = pytester.runpytest("-q", "-p", "no:cacheprovider", f"--asyncfastapi-replay={replay}")
    again.assert_outcomes(failed=1)


def test_the_matrix_is_as_shown(pytester: pytest.Pytester) -> None:
    """The output of the sweep, and one cell again."""
    pages.write(pytester.path, "docs/how_to/sweeps.md")
    pytester.makeini(f"{pages.INI}asyncfastapi_app = shop:app\n")
    result = pytester.runpytest("-p", "no:cacheprovider")
    (shown,) = pages.blocks("docs/how_to/sweeps.md", "text")
    assert pages.is_shown_by(shown.text, result.stdout.str())
    again = pytester.runpytest("-q", "--asyncfastapi-replay=faults:2:refused")
    again.stdout.fnmatch_lines(["*unhandled*"])


def test_the_baseline(pytester: pytest.Pytester) -> None:
    """Recorded by the first run, known to the second, and without it a failure."""
    pages.write(pytester.path, "docs/how_to/baseline.md")
    pytester.makeini(f"{pages.INI}asyncfastapi_app = shop:app\n")
    known = "--asyncfastapi-blocking-baseline=known.json"
    pytester.runpytest("-q", known).assert_outcomes(passed=1)
    assert (pytester.path / "known.json").is_file()
    pytester.runpytest("-q", known).assert_outcomes(passed=1)
    pytester.runpytest("-q").assert_outcomes(failed=1)
