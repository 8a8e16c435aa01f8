"""What was configured for the run and never happened: a sweep, other orders, a fault, a replay.

Reads what the reports of all tests (and workers) carry. A run that is green since nothing
was tried says so, with the reason.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .._core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .chosen import Settings

_NO_TEST = {
    "schedules": "no async test was run",
    "faults": "no `async def` test that was run uses `asgi_client`",
    "disconnect": "no `async def` test that was run uses `asgi_client`",
}


def findings(
    settings: Settings, sweeps: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]
) -> list[Finding]:
    """A warning for each flag (or setting) that has struck nothing in the whole run."""
    found = []
    for flag, kind in _asked(settings):
        mine = [sweep for sweep in sweeps if sweep["kind"] == kind and not sweep.get("call")]
        if not any(sweep["points"] and not _nothing(sweep) for sweep in mine):
            found.append(_finding(flag, _why(kind, mine)))
    for spec in dict.fromkeys(settings.fault):
        told = [run for run in runs if spec in run.get("faults", {})]
        if not any(run["faults"][spec]["hits"] for run in told):
            found.append(_finding(f"--asyncfastapi-fault={spec!r}", _spared(spec, told)))
    return found


def is_replay_without_test(settings: Settings, sweeps: Sequence[dict[str, Any]]) -> bool:
    """Is a point to be replayed, and did no test run that such a sweep can be made of?"""
    kind = settings.replay.partition(":")[0]
    return bool(kind) and not any(sweep["kind"] == kind for sweep in sweeps)


def no_test_to_replay(settings: Settings) -> Finding:
    """The error about it."""
    return Finding(
        kind="sweep.replay",
        title=f"--asyncfastapi-replay={settings.replay}: it fits no test that was run",
        why="so nothing was replayed",
        evidence=_NO_TEST[settings.replay.partition(":")[0]],
        remedy="name the test beside the token, as the report does: pytest "
        f"tests/test_it.py::test_it --asyncfastapi-replay={settings.replay}",
    )


def _asked(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.replay:
        return
    if settings.sweep != "off":
        yield f"--asyncfastapi-sweep={settings.sweep}", settings.sweep
    if settings.schedules:
        yield f"--asyncfastapi-schedules={settings.schedules}", "schedules"


def _nothing(sweep: dict[str, Any]) -> str:
    points = sweep["points"]
    if points and all(point["verdict"] == "not reached" for point in points):
        return "what the first run left keeps the app from its calls in all others"
    return str((sweep.get("about") or {}).get("nothing", ""))


def _why(kind: str, sweeps: Sequence[dict[str, Any]]) -> str:
    """The reasons, the most frequent first, each with the number of tests."""
    if not sweeps:
        return _NO_TEST[kind]
    reasons = Counter(sweep["stopped"].partition(":")[0] or _nothing(sweep) for sweep in sweeps)
    return "; ".join(
        f"in {count} test{'s' * (count > 1)}: {reason or 'there is no point'}"
        for reason, count in reasons.most_common()
    )


def _spared(spec: str, runs: Sequence[dict[str, Any]]) -> str:
    for run in runs:
        if powerless := run["faults"][spec]["powerless"]:
            return f"it can have no effect on the calls that it covers: {powerless}"
    seen = sum(run["faults"][spec]["seen"] for run in runs)
    if seen:
        return f"its schedule selected none of the calls that it saw: {seen}"
    hosts = [*dict.fromkeys(host for run in runs for host in run["hosts"])]
    if hosts:
        more = f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""
        return f"the calls that were made went to {', '.join(hosts[:5])}{more}"
    unseen = [*dict.fromkeys(text for run in runs for text in run["unseen"])]
    from .._explore.fault_findings import no_call

    return no_call(unseen)


def _finding(flag: str, why: str) -> Finding:
    return Finding(
        kind="sweep.nothing",
        title=f"{flag} struck nothing in the whole run: {why}",
        why="so that this run is green says nothing of it",
        remedy="take the flag away, or run tests that it can strike",
        severity="warning",
    )
