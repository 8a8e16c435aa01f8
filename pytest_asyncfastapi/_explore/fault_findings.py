"""The results of a fault sweep in words: one finding for what is one thing to change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._core.findings import Finding
from .group_findings import LISTED, grouped
from .problems import describe_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Result

_WHY = {
    "unhandled": "the caller gets a plain 500 that says nothing about the cause",
    "broken body": "the caller has received a success status and a body that is cut short",
    "undeclared status": "a caller cannot be ready for an answer that is not declared",
    "caller blamed": "a client does not try again after a 4xx, and looks for its own mistake",
    "side effect": "a failed request has changed something all the same",
    "cached failure": "one bad answer of the upstream's outlives the outage",
    "no timeout": "a silent upstream holds the request and its connection as long as it likes",
    "pool connection lost": "each failure takes one connection out of the pool, until it is empty",
    "connection lost": "one failure of the database outlives the outage",
    "lock held": "every request that needs it waits without limit",
    "cleanup not run": "each failure uses up one more, until none is left",
    "leak": "each failure uses up one more, until none is left",
    "masked": "the caller cannot tell this answer from a good one",
    "lost background task": "the caller has received a success, and the work is not done",
    "unexpected data": "valid JSON of another shape ends in an answer that says nothing about it",
    "unsafe retry": "where the first was processed, it is done twice (charged twice?)",
    "not reached": "what an earlier run has left (a cache in a module, say) keeps the app from it; "
    "these points were not tried",
    "hung": "the request never ends",
    "stuck": "one failure stops the app for everybody",
    "start-up aborted": "one bad answer at the wrong moment keeps the app from starting",
}


def findings(
    test: str, done: Sequence[Result], left_out: Sequence[str], *, required: bool
) -> list[Finding]:
    """The bad results by what is wrong and where; what is only listed as warnings.

    `left_out` are faults that could not be tried; `required`: the test is marked.
    """
    if done and all(result.verdict == "not reached" for result in done):
        return [_none_reached(test, done, required=required)]
    found = [
        _with_others(each, {result.token: result for result in done})
        for each in grouped(
            test, "fault sweep", done, _title, _WHY, listed=(*LISTED, "not reached")
        )
    ]
    return [*found, _left_out(test, left_out)] if left_out else found


def _title(results: Sequence[Result]) -> str:
    named = results[0].data.get("call", "the call")
    numbers = ", ".join(dict.fromkeys(result.row for result in results))
    if results[0].verdict == "not reached":
        return f"{named} (call {numbers}) was not made in {len(results)} of its runs"
    kinds = _abbreviated([*dict.fromkeys(result.column for result in results)])
    return f"{results[0].verdict} when {named} (call {numbers}) meets {kinds}"


def _with_others(finding: Finding, results: dict[str, Result]) -> Finding:
    """The same, and what else was wrong at these points."""
    others: dict[str, str] = {}
    for token in finding.data["tokens"]:
        for verdict, detail in results[token].data.get("also", {}).items():
            others.setdefault(verdict, f"{verdict}: {detail} (at {token})")
    if not others:
        return finding
    return replace(finding, evidence="; also ".join((finding.evidence, *others.values())))


def _none_reached(test: str, done: Sequence[Result], *, required: bool) -> Finding:
    calls = _abbreviated([*dict.fromkeys(result.data["call"] for result in done)])
    return Finding(
        kind="sweep.nothing",
        title=f"fault sweep: nothing was tried, because {calls} is called in the first run of "
        f"the test and in none of the {len(done)} after it",
        why="something that outlives the test (a cache in a module, a session fixture) keeps what "
        "the first run has got, so no fault has struck",
        remedy="clear it in a fixture of the test, so that each run makes its calls",
        severity="error" if required else "warning",
        test=test,
        data={"tokens": [result.token for result in done]},
    )


def _left_out(test: str, names: Sequence[str]) -> Finding:
    return Finding(
        kind="sweep.left-out",
        title=f"fault sweep: {', '.join(names)} cannot be played to a served upstream",
        why="a request that has arrived on a socket has a connection",
        remedy="try it apart, with `with server.refused():`, or leave it out of faults=[...]",
        severity="warning",
        test=test,
    )


def _abbreviated(words: list[str]) -> str:
    return (
        ", ".join(words) if len(words) < 5 else f"{', '.join(words[:3])} and {len(words) - 3} more"
    )


def no_call(unseen: Sequence[str]) -> str:
    """No call was seen; perhaps since the app has a library whose calls are not."""
    also = f" ({'; '.join(unseen[:3])}, whose calls are not seen)" if unseen else ""
    return (
        "no call of httpx, httpx2, aiohttp or urllib3 was made, and none to a database or cache"
        f"{also}"
    )


def nothing_to_sweep(test: str, only: str, before: int, unseen: Sequence[str]) -> Finding:
    """A marked test that makes no upstream call in its body; `before` it were so many.

    `unseen` lists where the app uses a client library whose calls are not seen.
    """
    which = "" if only == "*" else f" to {only}"
    if before:
        calls = "the only upstream call is" if before == 1 else f"all {before} upstream calls are"
        return Finding(
            kind="sweep.nothing",
            title=f"fault sweep: nothing was tried, because {calls} made before the test's body",
            why="calls of fixtures and of the app's start-up are not struck by default",
            remedy="strike them too, with setup=True; or let the test reach a call",
            test=test,
        )
    return Finding(
        kind="sweep.nothing",
        title=f"fault sweep: the test makes no upstream call{which}",
        evidence=no_call(unseen) if unseen else "",
        why="the sweep has nothing to strike, and would always be green",
        remedy="remove the sweep, or let the test reach the call (those of httpx, httpx2, "
        "aiohttp, requests and urllib3 are seen, and those of asyncio's database drivers)",
        test=test,
    )


def broken_before(test: str, error: BaseException) -> Finding:
    """The invariant does not even hold after the clean run."""
    return Finding(
        kind="sweep.invariant",
        title=f"the sweep's invariant does not hold after the clean run: {describe_error(error)}",
        why="so a faulted run says nothing",
        remedy="write it so that it holds for a request that went well and for one that failed",
        test=test,
    )
