"""The run as the HTML page reads it: the same facts, said once each.

Findings of one place are folded, shares of one sweep are merged, lines of code are
numbers of one table, and what is empty is left out: 1,000 tests stay a small file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.rules import page_of
from .aggregate import made_with
from .compare import compared
from .source_lines import Sources
from .sweeps import merged
from .timeline import call_slices, last_moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._core.findings import Finding
    from .aggregate import Run


def document(run: Run) -> dict[str, Any]:
    """Everything that the page shows, as plain data."""
    places, sources = Places(), Sources(run.root)
    numbers = {id(test): number for number, test in enumerate(run.tests)}
    folded = run.places()
    found_at = {finding.place: number for number, (finding, _) in enumerate(folded)}
    tests = [_test(test, places) for test in run.tests]
    for finding, test in run.findings():
        mine = tests[numbers[id(test)]].setdefault("findings", [])
        if found_at[finding.place] not in mine:
            mine.append(found_at[finding.place])
    findings = [
        _finding(finding, [numbers[id(test)] for test in seen_in], places, sources, run.site)
        for finding, seen_in in folded
    ]
    more = {} if run.before is None else {"compared": compared(run, run.before)}
    return {
        "made_with": made_with(),
        "started": run.started,
        "duration": run.duration,
        "exit_status": run.exit_status,
        "seed": run.seed,
        "counts": run.counts(),
        "notes": run.notes,
        "collection_errors": run.collection_errors,
        "findings": findings,
        "tests": tests,
        "sweeps": _sweeps(run, places),
        "places": places.rows,  # at last: all are known now
        **more,
    }


class Places:
    """Lines of code by number."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self._known: dict[tuple[Any, ...], int] = {}

    def number(self, path: str, line: int, function: str, source: str) -> int:
        """The number of this line."""
        key = (path, line, function, source)
        if key not in self._known:
            self._known[key] = len(self.rows)
            self.rows.append([*key])
        return self._known[key]

    def of(self, where: dict[str, Any] | None) -> int | None:
        """The number of a line of a record."""
        return None if where is None else self.number(**where)

    def __repr__(self) -> str:
        return f"<Places: {len(self.rows)}>"


def _full(data: dict[str, Any]) -> dict[str, Any]:
    """What is not empty; a zero is something."""
    return {key: value for key, value in data.items() if value not in (None, "", [], {})}


def _finding(
    finding: Finding, tests: list[int], places: Places, sources: Sources, site: str
) -> dict[str, Any]:
    steps = ((one.path, one.line, one.function, one.source) for one in finding.chain)
    where = finding.where
    return _full(
        {
            **{name: getattr(finding, name) for name in _TEXTS},
            "where": None
            if where is None
            else places.number(where.path, where.line, where.function, where.source),
            "chain": [places.number(*step) for step in steps],
            "context": None if where is None else sources.around(where),
            "page": page_of(finding.kind, site),
            "count": finding.count if finding.count > 1 else None,
            "tests": tests,
        }
    )


_TEXTS = (
    *("kind", "title", "severity", "activity", "why", "remedy"),
    *("evidence", "allow", "replay", "created"),
)


def _test(test: dict[str, Any], places: Places) -> dict[str, Any]:
    kept = (
        *("id", "file", "line", "worker", "outcome", "reruns", "message", "subtests"),
        *("traceback", "captured"),
    )
    told = {name: test[name] for name in kept}
    told["duration"] = round(test["duration"], 4)
    telling = test["outcome"] != "passed" or bool(test["findings"])
    record = test["record"]
    told["record"] = None if record is None else _record(record, places, messages=telling)
    told["reruns"] = told["reruns"] or None
    return _full(told)


def _record(record: dict[str, Any], places: Places, *, messages: bool) -> dict[str, Any]:
    """What a waterfall shows; the loop's silent calls (imports, say) are not part of it.

    `messages` says whether heads and bodies are shown: of all tests they would be too many.
    """
    left = () if messages else ("sent", "received")
    clock, end = record["clock"], last_moment(record)
    blocking = [call for call in record["blocking"] if call["severity"] != "silent"]
    return _full(
        {
            "virtual": clock["virtual"] or None,
            "elapsed": clock["elapsed"] or None,
            "seed": record["seed"],
            "requests": [_full(_without(request, left)) for request in record["requests"]],
            "upstream": [_call(_without(call, left), end, places) for call in record["upstream"]],
            "blocking": [_full({**call, "where": places.of(call["where"])}) for call in blocking],
            "threads": [_pool(pool) for pool in record["threads"] if pool["waits"]],
            "tasks": [_task(task, places) for task in record["tasks"]],
            "lag": record["loop_lag"] and round(record["loop_lag"]["longest"], 6),
        }
    )


def _without(data: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def _call(call: dict[str, Any], end: float, places: Places) -> dict[str, Any]:
    pieces = [piece for piece in call_slices(call, end) if piece.kind == "injected"]
    injected = [[p.name, p.start, round(p.end - p.start, 6)] for p in pieces]
    return _full({**call, "where": places.of(call["where"]), "injected": injected})


def _pool(pool: dict[str, Any]) -> dict[str, Any]:
    return {**pool, "waits": [_full(wait) for wait in pool["waits"]]}


def _task(task: dict[str, Any], places: Places) -> dict[str, Any]:
    waits = [[w["at"], w["seconds"], places.of(w["where"])] for w in task["awaits"]]
    return _full({**task, "created": places.of(task["created"]), "awaits": waits})


def _sweeps(run: Run, places: Places) -> list[dict[str, Any]]:
    """Each sweep once, with the tests whose reports carried it."""
    owners: dict[str, list[int]] = {}
    found: list[dict[str, Any]] = []
    for number, test in enumerate(run.tests):
        for sweep in test["sweeps"]:
            owners.setdefault(_whole(sweep), []).append(number)
            found.append(sweep)
    told: list[dict[str, Any]] = []
    for sweep in merged(found):
        points = [_point(point, places) for point in sweep["points"]]
        tests = sorted(set(owners.get(sweep["test"], ())))
        told.append(_full({**sweep, "shard": None, "points": points, "tests": tests}))
    return told


def _whole(sweep: dict[str, Any]) -> str:
    """The name under which `merged` has it."""
    name: str = sweep["test"]
    return name.partition("[share")[0] if sweep["shard"] else name


def _point(point: dict[str, Any], places: Places) -> dict[str, Any]:
    data: dict[str, Any] = point["data"]
    where: Iterable[Any] | None = data.get("where")
    told = {name: value for name, value in point.items() if name not in ("data", "group")}
    told["bad"] = point["bad"] or None
    told["remedy"] = data.get("remedy")
    told["cut_at"] = data.get("cut_at")
    told["where"] = None if where is None else places.number(*where)
    lanes = data.get("lanes", ())
    told["lanes"] = [
        [who, None if line is None else places.number(*line), what, int(changed)]
        for who, line, what, changed in lanes
    ]
    record = point.get("record")
    told["record"] = None if not record else _record(record, places, messages=bool(point["bad"]))
    return _full(told)
