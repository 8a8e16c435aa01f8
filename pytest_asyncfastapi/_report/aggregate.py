"""The whole run as one value, put together on the controller from pytest's reports.

Each writer reads the same `Run`. Tests come from reports alone, so it is the same with
and without xdist; a run of a test that is tried again (rerunfailures) is forgotten, and
a subtest belongs to its test. Knows no format.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from .._core.findings import Finding
from .._core.real_time import now, perf_counter
from .._core.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 4000  # characters of a failure's own text
_OWN = "Failed: pytest-asyncfastapi:"  # a test that only its findings fail
OUTCOMES: tuple[str, ...] = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


@dataclass(slots=True, eq=False)
class Run:
    """What a run came to; everything in it is plain data.

    `tests` are in the order of their files and lines, each as the JSON report has it.
    """

    root: str
    started: str = ""
    duration: float = 0.0
    exit_status: int = 0
    seed: int = 0
    site: str = ""  # where the documentation is published
    before: dict[str, Any] | None = None  # the JSON report of an earlier run
    tests: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    collection_errors: list[dict[str, str]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many tests had each outcome."""
        found: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
        for test in self.tests:
            found[test["outcome"]] += 1
        return found

    def findings(self) -> Iterator[tuple[Finding, dict[str, Any]]]:
        """Every finding, with the test that had it."""
        for test in self.tests:
            for item in test["findings"]:
                yield Finding.from_json(item), test

    def places(self) -> list[tuple[Finding, list[dict[str, Any]]]]:
        """Every finding once a place, with its tests: the errors first."""
        found: dict[tuple[str, str, int], tuple[Finding, list[dict[str, Any]]]] = {}
        for finding, test in self.findings():
            first, tests = found.setdefault(finding.place, (finding, []))
            if finding.severity == "error" and first.severity != "error":
                found[finding.place] = (finding, tests)
            if test not in tests:
                tests.append(test)
        return sorted(found.values(), key=lambda pair: pair[0].severity != "error")


class Aggregate:
    """Collects pytest's reports on the controller; a plugin of its own, for writers only."""

    def __init__(
        self, root: str, seed: int, site: str = "", before: dict[str, Any] | None = None
    ) -> None:
        self._run = Run(root, seed=seed, site=site, before=before)
        self._tests: dict[tuple[str, str], dict[str, Any]] = {}
        self._at, self._began = now(), perf_counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test."""
        key = (report.nodeid, str(getattr(report, "worker_id", "")))
        test = self._tests.get(key)
        if test is None:
            test = self._tests[key] = _new(report, key[1])
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]
            self._tests[key] = {**_new(report, key[1]), "reruns": test["reruns"] + 1}
            return
        if getattr(report, "context", None) is not None:
            _subtest(test, report)
            return
        self._phase(test, report)

    def _phase(self, test: dict[str, Any], report: pytest.TestReport) -> None:
        phases, when = test["phases"], str(report.when)
        if when in phases:
            phases[when] += report.duration
        test["duration"] = phases["setup"] + phases["call"] + phases["teardown"]
        if not report.passed or hasattr(report, "wasxfail"):
            test["outcome"] = _worse(test["outcome"], _outcome(report))
            if report.failed and not test["message"]:
                test["message"] = _message(report)
                test["traceback"] = _traceback(report)
            test["captured"] = _captured(report)
        payload: dict[str, Any] | None = getattr(report, "asyncfastapi", None)
        if payload is None:
            return
        test["findings"] += payload.get("findings", ())
        self._run.notes += [n for n in payload.get("notes", ()) if n not in self._run.notes]
        test["sweeps"] += payload.get("sweeps", ())
        if payload.get("record"):
            test["record"] = payload["record"]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What could not be collected is part of the result."""
        if report.failed:
            error = {"id": report.nodeid, "message": str(report.longrepr)[-_LONGEST:]}
            self._run.collection_errors.append(error)

    def finished(self, exit_status: int) -> Run:
        """The run, as far as it came."""
        run = self._run
        run.started = datetime.fromtimestamp(self._at, UTC).isoformat(timespec="milliseconds")
        run.duration = perf_counter() - self._began
        run.exit_status = exit_status
        run.tests = sorted(self._tests.values(), key=lambda t: (t["file"], t["line"], t["id"]))
        self._tests = {}  # the run has them
        # Text until now: thousands of small objects would be in the collector's way all along.
        for test in run.tests:
            test["record"] = _record(test["record"]) if test["record"] else None
            test["sweeps"] = [_sweep(sweep) for sweep in test["sweeps"]]
        return run

    def __repr__(self) -> str:
        return f"<Aggregate: {len(self._tests)} tests>"


def _new(report: pytest.TestReport, worker: str) -> dict[str, Any]:
    file, line, _ = report.location
    return {
        "id": report.nodeid,
        "file": file.replace("\\", "/"),
        "line": (line or 0) + 1,
        "worker": worker if worker != "master" else "",
        "outcome": "passed",
        "duration": 0.0,
        "phases": {"setup": 0.0, "call": 0.0, "teardown": 0.0},
        "reruns": 0,
        "message": "",
        "traceback": "",
        "captured": [],
        "subtests": [],
        "findings": [],
        "sweeps": [],
        "record": None,
    }


def _subtest(test: dict[str, Any], report: Any) -> None:
    context = report.context
    kwargs = ", ".join(f"{name}={value}" for name, value in dict(context.kwargs).items())
    name = " ".join(part for part in (context.msg, f"({kwargs})" if kwargs else "") if part)
    outcome = _outcome(report)
    message = _message(report) if report.failed else ""
    test["subtests"].append({"name": name, "outcome": outcome, "message": message})
    test["outcome"] = _worse(test["outcome"], outcome if outcome == "failed" else "passed")


def _sweep(sweep: dict[str, Any]) -> dict[str, Any]:
    """The same, the record of each of its runs as data."""
    points = [
        {**point, "record": _record(point["record"])} if point.get("record") else point
        for point in sweep["points"]
    ]
    return {**sweep, "points": points}


def _record(text: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(text, parse_float=_microseconds)
    return record


def _outcome(report: Any) -> str:
    if report.failed:
        return "error" if report.when in ("setup", "teardown") else "failed"
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return "skipped" if report.skipped else "passed"


def _worse(known: str, now: str) -> str:
    """A test's outcome after one phase more: what failed first stays."""
    if known in ("failed", "error") or now == "passed":
        return known
    return now


def _message(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text: str = redacted(str(crash.message if crash is not None else report.longrepr))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _traceback(report: Any) -> str:
    """The failure as pytest shows it, its end where it is long; a finding's own text is none."""
    text: str = redacted(str(report.longrepr))
    if _message(report).startswith(_OWN):
        return ""
    return text if len(text) <= 3 * _LONGEST else "... " + text[-3 * _LONGEST :]


def _captured(report: Any) -> list[dict[str, str]]:
    """Output and log of the phases so far, the end of each."""
    return [
        {"name": name.removeprefix("Captured "), "text": redacted(text[-_LONGEST:])}
        for name, text in report.sections
        if name.startswith("Captured ") and text.strip()
    ]


def _microseconds(number: str) -> float:
    return round(float(number), 6)


@cache
def made_with() -> dict[str, str]:
    """Which programs made a report."""
    from importlib.metadata import version

    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "pytest-asyncfastapi": version("pytest-asyncfastapi"),
        "pytest": pytest.__version__,
        "python": python,
    }
