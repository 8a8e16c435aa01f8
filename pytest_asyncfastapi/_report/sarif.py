"""SARIF 2.1.0 (OASIS standard), for code scanning: a result for each place.

A rule is a kind of finding. The fingerprint is made of what does not move when lines
are added above: kind, file, function and the text of the line.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .._core.rules import RULES, page_of, rule_of
from .aggregate import made_with

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._core.findings import Finding, Location
    from .aggregate import Run

_ROOT = "%SRCROOT%"
_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(run: Run) -> str:
    """The log as text."""
    return json.dumps(log(run), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def log(run: Run) -> dict[str, Any]:
    """The log as plain data: one run."""
    places = run.places()
    kinds = list(dict.fromkeys(finding.kind for finding, _ in places))
    seen: Counter[str] = Counter()
    driver = {
        "name": "pytest-asyncfastapi",
        "version": made_with()["pytest-asyncfastapi"],
        "rules": [_rule(kind, places, run.site) for kind in kinds],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"uri": Path(run.root).as_uri() + "/"}},
                "invocations": [{"executionSuccessful": run.exit_status in (0, 1)}],
                "results": [
                    _result(finding, tests, kinds.index(finding.kind), seen)
                    for finding, tests in places
                ],
            }
        ],
    }


def _rule(kind: str, places: Iterable[tuple[Finding, Any]], site: str) -> dict[str, Any]:
    first = next(finding for finding, _ in places if finding.kind == kind)
    page = page_of(kind, site)
    # `helpUri` has to be an absolute address: without a site the path is a part of the text.
    more: dict[str, Any] = {"helpUri": page} if page.startswith("http") else {}
    if page:
        more["help"] = {"text": f"{RULES[rule_of(kind)]} See {page}"}
    return {
        "id": kind,
        "name": "".join(word.capitalize() for word in kind.replace("-", "_").split("_")),
        "shortDescription": {"text": RULES.get(rule_of(kind)) or first.why or first.title},
        **more,
        "defaultConfiguration": {"level": first.severity},
        "properties": {"tags": ["async", "test"]},
    }


def _result(
    finding: Finding, tests: list[dict[str, Any]], rule: int, seen: Counter[str]
) -> dict[str, Any]:
    parts = [finding.title]
    parts += [f"In {finding.activity}."] if finding.activity else []
    parts += [f"Why: {finding.why}."] if finding.why else []
    parts += [f"Fix: {finding.remedy}"] if finding.remedy else []
    result: dict[str, Any] = {
        "ruleId": finding.kind,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": "\n".join(parts)},
        "locations": [_location(finding, tests[0])],
        "partialFingerprints": {"asyncfastapi/v1": _fingerprint(finding, tests[0], seen)},
        "occurrenceCount": max(1, finding.count),
        "properties": {"tests": [test["id"] for test in tests]},
    }
    if len(finding.chain) > 1:
        steps = [{"location": _at(step)} for step in finding.chain]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result


def _location(finding: Finding, test: dict[str, Any]) -> dict[str, Any]:
    if finding.where is not None:
        return _at(finding.where)
    region = {"startLine": test["line"]}
    return {"physicalLocation": {"artifactLocation": _artifact(test["file"]), "region": region}}


def _at(where: Location) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": max(1, where.line)}
    if where.source:
        region["snippet"] = {"text": where.source}
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": _artifact(where.path), "region": region}
    }
    if where.function:
        location["logicalLocations"] = [{"fullyQualifiedName": where.function, "kind": "function"}]
    return location


def _artifact(path: str) -> dict[str, Any]:
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(path.replace("\\", "/")), "uriBaseId": _ROOT}


def _fingerprint(finding: Finding, test: dict[str, Any], seen: Counter[str]) -> str:
    where = finding.where
    parts = (
        (finding.kind, where.path, where.function, where.source)
        if where is not None
        else (finding.kind, test["id"], finding.title)
    )
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    seen[digest] += 1  # the same line twice in a function
    return f"{digest}:{seen[digest]}"
