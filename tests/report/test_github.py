"""Annotations and the step summary in GitHub Actions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_asyncfastapi._core.findings import Finding, Location
from pytest_asyncfastapi._report import github
from pytest_asyncfastapi._report.aggregate import Run


@pytest.fixture
def hosted(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """As if the project were tested by GitHub, from the folder above it."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path.parent))
    return project


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_annotations_and_summary(hosted: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """One a place, from the controller only, with the file as the repository has it."""
    result = hosted.runpytest_subprocess(*workers)
    lines = [line for line in result.outlines if line.startswith("::")]
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::error", "::warning"]
    name = hosted.path.name
    assert lines[0].startswith(
        f"::error file={name}/shopapp.py,line=20,title=pytest-asyncfastapi%3A blocking::"
    )
    assert "%0Ain GET /sleepy%0Afix: await anyio.sleep(" in lines[0]
    assert "file=" in lines[2]
    assert "test_shop.py" in lines[2]  # a finding without a place is shown at its test
    text = (hosted.path / "summary.md").read_text()
    assert text.count("### pytest-asyncfastapi") == 1
    assert "2 failed" in text
    assert "<code>shopapp.py:20</code>" in text
    assert text.count("| :x: |") == 2
    assert text.count("| :warning: |") == 1


def test_off(hosted: pytest.Pytester) -> None:
    """The switch."""
    result = hosted.runpytest("--asyncfastapi-github=off", "-k", "blocks")
    assert not [line for line in result.outlines if line.startswith("::")]
    assert not (hosted.path / "summary.md").exists()


def test_elsewhere(project: pytest.Pytester) -> None:
    """Nothing without GitHub."""
    result = project.runpytest("-k", "blocks")
    assert not [line for line in result.outlines if line.startswith("::")]


def test_a_summary_that_cannot_be_written(
    hosted: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is said, and changes nothing else."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(hosted.path / "no" / "such" / "file"))
    result = hosted.runpytest("-k", "plain")
    result.assert_outcomes(passed=1, deselected=8)
    result.stdout.fnmatch_lines(["pytest-asyncfastapi: GitHub step summary not written: *"])


def run_of(*findings: Finding) -> Run:
    """A run of one test."""
    test = {"id": "t.py::test[a,b]", "file": "t.py", "line": 3, "outcome": "failed"}
    return Run("/repo", tests=[{**test, "findings": [item.to_json() for item in findings]}])


def test_nothing_breaks_out_of_a_command() -> None:
    """A new line, a percent sign, a comma and a colon are escaped where GitHub wants it."""
    finding = Finding("blocking", "100 %\n::error::x\r", Location("a,b:c.py", 7))
    (line,) = github.commands(run_of(finding))
    assert line == (
        "::error file=a%2Cb%3Ac.py,line=7,title=pytest-asyncfastapi%3A blocking"
        "::100 %25%0A::error::x%0D%0Aseen in t.py::test[a,b]"
    )


def test_nothing_breaks_out_of_the_table() -> None:
    """Neither markup nor a pipe nor a new line."""
    finding = Finding("x", "a | b\n<script>*b*`", Location("a.py", 7), remedy="[x](y)")
    row = [line for line in github.summary(run_of(finding)).splitlines() if ":x:" in line]
    assert len(row) == 1
    assert row[0].count("|") == 6
    assert "<script" not in row[0]
    assert "a &#124; b<br>&lt;script&gt;&#42;b&#42;&#96;" in row[0]


def test_no_more_than_github_shows() -> None:
    """Ten of each severity; the summary has all."""
    found = [Finding("x", "t", Location("a.py", n + 1)) for n in range(25)]
    assert len(list(github.commands(run_of(*found)))) == 10
    assert github.summary(run_of(*found)).count(":x:") == 25
    many = [Finding("x", "t", Location("a.py", n + 1)) for n in range(250)]
    assert "... and 50 places more." in github.summary(run_of(*many))


def test_a_clean_run_says_so() -> None:
    """One line."""
    assert "Nothing found." in github.summary(run_of())
    assert Path(github._in_repository("a/b.py", "/repo")) == Path("a/b.py")
