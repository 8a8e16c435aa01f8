"""Findings ride on pytest's reports, as JSON: the same way with and without xdist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .._core.findings import FOUND, Finding
from .._core.redaction import redacted
from .._report import junit, text
from .payloads import ATTRIBUTE, ReportData, payloads, reports

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from .state import TestState


def attach(
    item: pytest.Item, state: TestState, phase: str, error: BaseException | None = None
) -> None:
    """Take what the packages saw in this phase, which `error` has ended; fail it if none has."""
    passed = error is None
    if error is not None:
        state.time.note_reported(error)
    # What never happened (a route, a fault) says nothing about a test that failed half-way.
    state.passed = state.passed and passed
    state.collect(passed=state.passed, ended=phase == "teardown")
    fresh = state.unreported_findings()
    if state.carried is None:
        state.carried = ReportData()
        junit.forget(item)
    state.carried.findings[phase] = fresh
    state.carried.data[phase] = state.report_data(phase)
    junit.add(item, fresh)
    errors = [finding for finding in fresh if finding.severity == "error"]
    if passed and errors:
        told = redacted(text.failure(errors, phase=phase, seed=state.upstream.replay_hint()))
        failure = pytest.fail.Exception(told, pytrace=False)
        setattr(failure, FOUND, True)
        raise failure


def add_to_report(state: TestState, report: pytest.TestReport) -> None:
    """Put the findings of this phase on its report, and what replays a failure."""
    carried = state.carried
    if carried is None:
        return
    seed = state.upstream.replay_hint() if report.failed else ""
    if seed and seed not in str(report.longrepr):
        report.sections.append(("pytest-asyncfastapi: faults were drawn at random", seed))
    phase = str(report.when)
    fresh = carried.findings.pop(phase, [])
    data = {name: value for name, value in carried.data.pop(phase, {}).items() if value}
    if not (fresh or state.notes or data):
        return
    payload: dict[str, Any] = {
        "findings": redacted([finding.to_json() for finding in fresh]),
        "notes": redacted(state.notes),
        **data,
    }
    setattr(report, ATTRIBUTE, payload)
    shown = str(report.longrepr)
    # A test that failed by itself: its findings are likely the reason, so they stand beside it.
    unseen = [finding for finding in fresh if not text.is_told(finding, shown)]
    if unseen and report.failed:
        report.sections.append(("pytest-asyncfastapi", redacted(text.findings(unseen))))


def gather(terminal: TerminalReporter) -> tuple[list[Finding], list[str]]:
    """Every finding and note of the run, in the order of the tests."""
    found: list[Finding] = []
    notes: list[str] = []
    for report in reports(terminal):
        payload: dict[str, Any] | None = getattr(report, ATTRIBUTE, None)
        if not payload:
            continue
        found.extend(Finding.from_json(item) for item in payload.get("findings", ()))
        notes.extend(note for note in payload.get("notes", ()) if note not in notes)
    return found, notes


def lags(terminal: TerminalReporter) -> list[tuple[str, dict[str, Any]]]:
    """The loop lag of each test that has one, with its name."""
    found = [(report.nodeid, getattr(report, ATTRIBUTE, {})) for report in reports(terminal)]
    return [(name, payload["lag"]) for name, payload in found if "lag" in payload]


def sweeps(terminal: TerminalReporter) -> list[dict[str, Any]]:
    """What exploring came to, test by test, as plain data."""
    return [sweep for payload in payloads(terminal) for sweep in payload.get("sweeps", ())]


def runs(terminal: TerminalReporter) -> list[dict[str, Any]]:
    """What each guarded test has to say about the run as a whole."""
    return [payload["run"] for payload in payloads(terminal) if "run" in payload]
