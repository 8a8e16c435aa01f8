"""What is new, gone and still there since an earlier run, whose JSON report is at hand.

A finding is the same one by its rule, file, function and line of source, so that lines may
move. One whose tests were not run this time is neither gone nor still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.findings import Finding

if TYPE_CHECKING:
    from .aggregate import Run

_Key = tuple[str, ...]


def key_of(finding: Finding, test: str) -> _Key:
    """What makes it the same finding in another run."""
    where = finding.where
    if where is None:
        return (finding.kind, test, finding.title)
    return (finding.kind, where.path, where.function, where.source)


def compared(run: Run, before: dict[str, Any]) -> dict[str, Any]:
    """The numbers of `new` and `still` in `run.places()`, and those that are `gone`, as data."""
    old: dict[_Key, tuple[Finding, list[str]]] = {}
    for test in before["tests"]:
        for item in test["findings"]:
            finding = Finding.from_json(item)
            known = old.setdefault(key_of(finding, test["id"]), (finding, []))
            if test["id"] not in known[1]:
                known[1].append(test["id"])
    new: list[int] = []
    still: list[int] = []
    seen: set[_Key] = set()
    for number, (finding, tests) in enumerate(run.places()):
        keys = {key_of(finding, test["id"]) for test in tests}
        (still if keys & old.keys() else new).append(number)
        seen |= keys
    ran = {test["id"] for test in run.tests if test["outcome"] != "skipped"}
    left = [(finding, tests) for key, (finding, tests) in old.items() if key not in seen]
    return {
        "started": before["started"],
        "new": new,
        "still": still,
        "gone": [_plain(finding) for finding, tests in left if ran.intersection(tests)],
        "not_run": [_plain(finding) for finding, tests in left if not ran.intersection(tests)],
    }


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "kind": finding.kind,
        "title": finding.title,
        "severity": finding.severity,
        "place": "" if finding.where is None else str(finding.where),
    }
