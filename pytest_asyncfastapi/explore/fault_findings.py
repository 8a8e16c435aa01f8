"""The results of a fault sweep in words: one finding for what is one thing to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..findings import Finding
from .grouped import grouped
from .problems import told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .points import Result

_WHY = {
    "unhandled": "the caller gets a bare 500, and nobody has decided what it is to see",
    "broken body": "the caller has a success in hand, and a body that is cut short",
    "undeclared status": "no caller can be ready for an answer that it has not been told of",
    "caller blamed": "a client does not try again after a 4xx, and looks for its own mistake",
    "side effect": "a failed request has changed something all the same",
    "cached failure": "one bad answer of the upstream's outlives the outage",
    "no timeout": "a silent upstream holds the request and its connection as long as it likes",
    "leak": "every failure leaves something behind, until there is no more",
    "masked": "the caller cannot tell this answer from a good one",
    "hung": "the request never ends",
    "stuck": "one failure stops the app for everybody",
    "start-up aborted": "one bad answer at the wrong moment keeps the app from starting",
}


def findings(test: str, calls: Sequence[Any], done: Sequence[Result]) -> list[Finding]:
    """The bad results by what is wrong and where; the masked ones as a warning."""

    def title(results: Sequence[Result]) -> str:
        number = int(results[0].row)
        call = calls[number - 1] if number <= len(calls) else None
        named = f"{call.method} {call.url}" if call is not None else "the call"
        kinds = _some([*dict.fromkeys(result.column for result in results)])
        numbers = ", ".join(dict.fromkeys(result.row for result in results))
        return f"{results[0].verdict} when {named} (call {numbers}) meets {kinds}"

    return grouped(test, "fault sweep", done, title, _WHY)


def _some(words: list[str]) -> str:
    return (
        ", ".join(words) if len(words) < 5 else f"{', '.join(words[:3])} and {len(words) - 3} more"
    )


def nothing_to_sweep(test: str, only: str) -> Finding:
    """A marked test that makes no upstream call."""
    which = "" if only == "*" else f" to {only}"
    return Finding(
        kind="sweep.nothing",
        title=f"fault sweep: the test makes no upstream call{which}",
        why="the sweep has nothing to strike, and would always be green",
        remedy="take the sweep away, or let the test reach the call (httpx and httpx2 are seen)",
        test=test,
    )


def broken_before(test: str, error: BaseException) -> Finding:
    """The invariant does not even hold after the clean run."""
    return Finding(
        kind="sweep.invariant",
        title=f"the sweep's invariant does not hold after the clean run: {told(error)}",
        why="so a faulted run says nothing",
        remedy="write it so that it holds for a request that went well and for one that failed",
        test=test,
    )
