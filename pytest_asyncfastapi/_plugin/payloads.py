"""What our reports carry, found again at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter

ATTRIBUTE = "asyncfastapi"  # of a report; its value is plain data


def reports(terminal: TerminalReporter) -> Iterator[Any]:
    """The reports of all tests, as pytest keeps them; a run that was tried again has none."""
    for category, found in terminal.stats.items():
        if category != "rerun":
            yield from found


def payloads(terminal: TerminalReporter) -> list[dict[str, Any]]:
    """What each report carries; most carry nothing."""
    return [getattr(report, ATTRIBUTE, None) or {} for report in reports(terminal)]
