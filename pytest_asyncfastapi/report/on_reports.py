"""Findings ride on pytest's reports, as JSON: the same way with and without xdist."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from ..findings import Finding
from . import junit, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.terminal import TerminalReporter

    from ..state import TestState

_FINDINGS = pytest.StashKey[dict[str, list[Finding]]]()
_LAG = pytest.StashKey[dict[str, Any]]()
_NOTES = pytest.StashKey[list[str]]()
_SWEEPS = pytest.StashKey[list[dict[str, Any]]]()
_RUN = pytest.StashKey[dict[str, Any]]()
_RECORD = pytest.StashKey[str]()
_SEED = pytest.StashKey[str]()
ATTRIBUTE = "asyncfastapi"


def attach(
    item: pytest.Item, state: TestState, phase: str, error: BaseException | None = None
) -> None:
    """Take what the rooms saw in this phase, which `error` has ended; fail it if none has."""
    passed = error is None
    if error is not None:
        tell_deadlock(state, error)
    # What never happened (a route, a fault) is no news about a test that failed half-way.
    state.passed = state.passed and passed
    state.collect(passed=state.passed, ended=phase == "teardown")
    fresh = state.news()
    item.stash.setdefault(_FINDINGS, {})[phase] = fresh
    item.stash[_NOTES] = state.notes
    explored = (*state.explored, *state.lending.explored)
    item.stash[_SWEEPS] = [one.to_json() for one in explored]
    if phase == "teardown" and state.settings.loop_lag and (lag := state.watching.lag()):
        item.stash[_LAG] = lag
    if phase == "teardown" and state.recording is not None:
        facts = state.recording.facts(state)
        item.stash[_RECORD] = json.dumps(facts) if facts else ""
    item.stash[_SEED] = state.seed_text()
    if phase == "teardown":
        item.stash[_RUN] = state.told_run()
    junit.add(item, fresh, state)
    errors = [finding for finding in fresh if finding.severity == "error"]
    if passed and errors:
        told = text.failure(errors, phase=phase, seed=state.seed_text())
        raise pytest.fail.Exception(told, pytrace=False)


def tell_deadlock(state: TestState, error: BaseException) -> None:
    """Where an error says that nothing could ever happen again, no finding has to."""
    if not state.deadlock:
        return
    head = state.deadlock.strip().partition("\n")[0]
    if head in "".join(traceback.format_exception(error)):
        state.deadlock_told = True


def carry(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put the findings of this phase on its report, and what replays a failure."""
    seed = item.stash.get(_SEED, "")
    if seed and report.failed and seed not in str(report.longrepr):
        report.sections.append(("pytest-asyncfastapi: faults were drawn at random", seed))
    fresh = item.stash.get(_FINDINGS, {}).pop(report.when, [])
    notes = item.stash.get(_NOTES, [])
    lag = item.stash.get(_LAG, None)
    swept = item.stash.get(_SWEEPS, []) if report.when == "call" else []
    run = item.stash.get(_RUN, None)
    record = _taken(item, str(report.when))
    if not (fresh or notes or lag or swept or run or record):
        return
    payload: dict[str, Any] = {
        "findings": [finding.to_json() for finding in fresh],
        "notes": list(notes),
    }
    if record:
        payload["record"] = record
    if lag:
        payload["lag"] = lag
    if swept:
        payload["sweeps"] = swept
    if run:
        payload["run"] = run
    setattr(report, ATTRIBUTE, payload)
    shown = str(report.longrepr)
    # A test that failed by itself: its findings are likely the reason, so they stand beside it.
    unseen = [finding for finding in fresh if text.finding(finding) not in shown]
    if unseen and report.failed:
        report.sections.append(("pytest-asyncfastapi", text.findings(unseen)))


def _taken(item: pytest.Item, when: str) -> str:
    """The record of the test, once: on the report of its teardown."""
    record = item.stash.get(_RECORD, "") if when == "teardown" else ""
    if record:
        del item.stash[_RECORD]
    return record


def gather(terminal: TerminalReporter) -> tuple[list[Finding], list[str]]:
    """Every finding and note of the run, in the order of the tests."""
    found: list[Finding] = []
    notes: list[str] = []
    for report in _reports(terminal.stats):
        payload: dict[str, Any] = getattr(report, ATTRIBUTE, None) or {}
        found.extend(Finding.from_json(item) for item in payload.get("findings", ()))
        notes.extend(note for note in payload.get("notes", ()) if note not in notes)
    return found, notes


def lags(terminal: TerminalReporter) -> list[tuple[str, dict[str, Any]]]:
    """The loop lag of each test that has one, with its name."""
    payloads = [
        (report.nodeid, getattr(report, ATTRIBUTE, {})) for report in _reports(terminal.stats)
    ]
    return [(name, payload["lag"]) for name, payload in payloads if "lag" in payload]


def sweeps(terminal: TerminalReporter) -> list[dict[str, Any]]:
    """What exploring came to, test by test, as plain data."""
    payloads = [getattr(report, ATTRIBUTE, None) or {} for report in _reports(terminal.stats)]
    return [sweep for payload in payloads for sweep in payload.get("sweeps", ())]


def runs(terminal: TerminalReporter) -> list[dict[str, Any]]:
    """What each guarded test has to say about the run as a whole."""
    payloads = [getattr(report, ATTRIBUTE, {}) for report in _reports(terminal.stats)]
    return [payload["run"] for payload in payloads if "run" in payload]


def _reports(stats: dict[str, list[Any]]) -> Iterable[Any]:
    for category, reports in stats.items():
        if category != "rerun":  # a run that was tried again does not count twice
            yield from reports
