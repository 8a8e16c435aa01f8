"""Merges JSON reports of one suite: of the machines that ran a share each, say.

A test that several of them ran becomes one: its worst outcome, all findings by place,
the points of its sweeps by token. Merging a report twice changes nothing. Knows the
JSON format; neither pytest nor how anything was found.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core.base_error import AsyncFastAPIError
from .._core.findings import Finding
from .aggregate import OUTCOMES
from .json_file import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Plain = dict[str, Any]

# The worst first.
_RANK = ("failed", "error", "xpassed", "passed", "xfailed", "skipped")
# pytest's own: internal error, usage, interrupted, failed, passed; nothing collected comes last.
_STATUS = (3, 4, 2, 1, 0, 5)


class MergeError(AsyncFastAPIError, ValueError):
    """These reports cannot be merged: why, in one sentence."""


def read(path: str) -> Plain:
    """One report. Raises `MergeError` with its name and what is wrong with it."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise MergeError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise MergeError(f"{path}: is not JSON: {error}") from None
    if not isinstance(report, dict) or report.get("format") != "pytest-asyncfastapi":
        raise MergeError(
            f"{path}: is not a report of pytest-asyncfastapi; write one with "
            "--asyncfastapi-json=FILE"
        )
    if report.get("version") != VERSION:
        raise MergeError(
            f"{path}: has version {report.get('version')} of the format, and this program merges "
            f"version {VERSION}. Fix: use one version of pytest-asyncfastapi on all machines."
        )
    return report


def merge(named: Sequence[tuple[str, Plain]]) -> Plain:
    """One report of several, each with its name. Raises `MergeError` if they do not fit."""
    if not named:
        raise MergeError("there is no report to merge")
    _same_program(named)
    reports = [report for _, report in named]
    tests: dict[str, Plain] = {}
    for report in reports:
        for test in report["tests"]:
            known = tests.get(test["id"])
            tests[test["id"]] = _one(known, test) if known is not None else _one(test, test)
    merged = sorted(tests.values(), key=lambda test: (test["file"], test["line"], test["id"]))
    return {
        **reports[0],
        "made_with": _made_with(reports),
        "started": min(report["started"] for report in reports),
        "duration": max(report["duration"] for report in reports),
        "exit_status": min((r["exit_status"] for r in reports), key=_STATUS.index),
        "summary": _summary(merged),
        "tests": merged,
        "collection_errors": _once(e for r in reports for e in r["collection_errors"]),
        "notes": _once(note for report in reports for note in report["notes"]),
    }


def _same_program(named: Sequence[tuple[str, Plain]]) -> None:
    first, report = named[0]
    wanted = report["made_with"]["pytest-asyncfastapi"]
    for name, other in named[1:]:
        found = other["made_with"]["pytest-asyncfastapi"]
        if found != wanted:
            raise MergeError(
                f"{name} was written by pytest-asyncfastapi {found} and {first} by {wanted}, which "
                "may count differently. Fix: use one version on all machines."
            )


def _made_with(reports: Sequence[Plain]) -> dict[str, str]:
    names = dict.fromkeys(name for report in reports for name in report["made_with"])
    found = {n: {v for r in reports for v in r["made_with"].get(n, "").split(", ")} for n in names}
    return {name: ", ".join(sorted(versions - {""})) for name, versions in found.items()}


def _one(first: Plain, second: Plain) -> Plain:
    """The same test as two machines ran it."""
    worse = min((first, second), key=lambda test: _RANK.index(test["outcome"]))
    both = (first, second) if second is not first else (first,)
    return {
        **worse,
        "reruns": max(test["reruns"] for test in both),
        "subtests": _once(subtest for test in both for subtest in test["subtests"]),
        "findings": _findings(finding for test in both for finding in test["findings"]),
        "sweeps": _sweeps(sweep for test in both for sweep in test["sweeps"]),
    }


def _findings(found: Iterable[Plain]) -> list[Plain]:
    """Each place once, an error before a warning; how often is not added up."""
    places: dict[Any, Plain] = {}
    for plain in found:
        place = Finding.from_json(plain).place
        known = places.get(place)
        if known is None or (plain["severity"] == "error" != known["severity"]):
            places[place] = plain
    return list(places.values())


def _sweeps(found: Iterable[Plain]) -> list[Plain]:
    """The shares of each sweep as one; `shares` says which, and how long each took."""
    kinds: dict[tuple[str, str], Plain] = {}
    for sweep in found:
        shares = sweep.get("shares") or {
            sweep["shard"] or "1/1": {"duration": sweep["duration"], "planned": sweep["planned"]}
        }
        key = (sweep["kind"], sweep.get("call", ""))
        known = kinds.setdefault(key, {**sweep, "points": [], "shares": {}, "shard": ""})
        known["shares"] = {**known["shares"], **shares}
        known["points"] = _points([*known["points"], *sweep["points"]])
        known["stopped"] = known["stopped"] or sweep["stopped"]
        known["about"] = known.get("about") or sweep.get("about") or {}
    for sweep in kinds.values():
        for name in ("duration", "planned"):
            sweep[name] = sum(share[name] or 0 for share in sweep["shares"].values())
    return list(kinds.values())


def _points(points: Iterable[Plain]) -> list[Plain]:
    """Each token once, and bad if it was bad anywhere."""
    found: dict[str, Plain] = {}
    for point in points:
        known = found.get(point["token"])
        if known is None or (point["bad"] and not known["bad"]):
            found[point["token"]] = point
    return sorted(found.values(), key=_in_order)


def _in_order(point: Plain) -> tuple[list[str], str]:
    """Rows in the order of their numbers, `2.10` after `2.9`."""
    return [part.zfill(6) for part in point["row"].split(".")], point["token"]


def _summary(tests: Sequence[Plain]) -> dict[str, int]:
    counts = dict.fromkeys(OUTCOMES, 0)
    for test in tests:
        counts[test["outcome"]] += 1
    severities = [finding["severity"] for test in tests for finding in test["findings"]]
    errors = severities.count("error")
    return {**counts, "errors_found": errors, "warnings_found": len(severities) - errors}


def _once(items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
