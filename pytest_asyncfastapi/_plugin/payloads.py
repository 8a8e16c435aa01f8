"""What our reports carry: put on them test by test, and found again at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter

    from .._core.findings import Finding

ATTRIBUTE = "asyncfastapi"  # of a report; its value is plain data


class ReportData:
    """What the next reports of a test carry, by phase."""

    def __init__(self) -> None:
        self.findings: dict[str, list[Finding]] = {}
        self.data: dict[str, dict[str, Any]] = {}


def reports(terminal: TerminalReporter) -> Iterator[Any]:
    """The reports of all tests, as pytest keeps them; a run that was tried again has none."""
    for category, found in terminal.stats.items():
        if category != "rerun":
            yield from found


def payloads(terminal: TerminalReporter) -> list[dict[str, Any]]:
    """What each report carries; most carry nothing."""
    return [getattr(report, ATTRIBUTE, None) or {} for report in reports(terminal)]
