"""GitHub Actions: an annotation at the line of each finding, and a summary of the step.

Annotations are lines of the output that GitHub reads; it shows ten of each severity a
step, so no more are written, and the summary has them all. Knows GitHub's escapes.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.findings import Finding
    from .aggregate import Run

_SHOWN = 10  # annotations of each severity
_ROWS = 200  # of the summary, which may have 1 MiB
_LEVELS = (("error", "error"), ("warning", "warning"))


def is_here() -> bool:
    """Does this run in GitHub Actions?"""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def commands(run: Run) -> Iterator[str]:
    """The workflow commands, one a place: errors, then warnings."""
    places = run.places()
    for severity, command in _LEVELS:
        found = [pair for pair in places if pair[0].severity == severity]
        for finding, tests in islice(found, _SHOWN):
            yield _command(command, finding, tests[0], run)


def _command(command: str, finding: Finding, test: dict[str, object], run: Run) -> str:
    if finding.where is not None:
        path, line = finding.where.path, finding.where.line
    else:
        path, line = str(test["file"]), int(str(test["line"]))
    told = [finding.title]
    told += [f"in {finding.activity}"] if finding.activity else []
    told += [f"fix: {finding.remedy}"] if finding.remedy else []
    told.append(f"seen in {test['id']}")
    properties = {
        "file": _in_repository(path, run.root),
        "line": str(line),
        "title": f"pytest-asyncfastapi: {finding.kind}",
    }
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {given}::{_message(chr(10).join(told))}"


def _message(text: str) -> str:
    """As the value of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As a property of a workflow command."""
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _in_repository(path: str, root: str) -> str:
    """The file as GitHub knows it: below the repository, which may be above pytest's rootdir."""
    workspace = os.environ.get("GITHUB_WORKSPACE") or root
    whole = Path(root, path)
    try:
        return whole.relative_to(workspace).as_posix()
    except ValueError:
        return Path(path).as_posix()


def summarise(run: Run) -> str:
    """Add the summary to the file that GitHub names; returns why that did not work, or nothing."""
    target = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not target:
        return ""
    try:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(summary(run))
    except OSError as error:
        return str(error)
    return ""


def summary(run: Run) -> str:
    """The summary in GitHub's Markdown."""
    counted = [f"{n} {outcome}" for outcome, n in run.counts().items() if n]
    lines = ["### pytest-asyncfastapi", "", f"{', '.join(counted) or 'no tests'}."]
    places = run.places()
    if not places:
        lines += ["", "Nothing found.", ""]
        return "\n".join(lines)
    lines += ["", "| | where | what | fix | seen in |", "|---|---|---|---|---|"]
    for finding, tests in places[:_ROWS]:
        mark = ":x:" if finding.severity == "error" else ":warning:"
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        cells = [
            mark,
            _code(str(finding.where)) if finding.where is not None else "",
            _cell(finding.title)
            + (f"<br>in {_cell(finding.activity)}" if finding.activity else ""),
            _cell(finding.remedy),
            f"{_code(str(tests[0]['id']))}{more}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if len(places) > _ROWS:
        lines.append(f"\n... and {len(places) - _ROWS} places more.")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    """Plain text in a cell of a table: nothing in it is markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]|~":
        text = text.replace(sign, f"&#{ord(sign)};")
    return text.replace("\r", "").replace("\n", "<br>")


def _code(text: str) -> str:
    return f"<code>{_cell(text)}</code>"
