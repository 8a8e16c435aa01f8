"""Every kind of finding by its rule id, and the page of the documentation about it.

A kind that a sweep takes over from another package (`sweep.blocking`) has the page of that
package's kind. `SITE` is where the documentation is published; it is empty as long as there is
no such address, and a link is then a path in the source tree.
"""

from __future__ import annotations

SITE = ""

# The rule id, and what a finding of it means, in one sentence.
RULES: dict[str, str] = {
    "blocking": "A call blocks the event loop: nothing else runs meanwhile.",
    "connection": "A database connection was taken from the pool and not given back.",
    "deadlock": "Every task waits for another one: nothing can go on.",
    "default-timeout": "A call has no timeout but its library's own five minutes.",
    "fan-out": "One line sends many calls to one host at one time.",
    "lazy-load": "A relationship is loaded from the database when it is read, on the event loop.",
    "leak.client": "An HTTP client was used and never closed.",
    "leak.coroutine": "A coroutine was called without `await`: its body never ran.",
    "leak.generator": "An async generator was begun and not closed.",
    "leak.response": "A streamed response was opened and never closed.",
    "leak.socket": "A socket was opened and never closed.",
    "leak.task": "A task still runs when its test is over.",
    "leak.thread": "A thread still runs when its test is over.",
    "network": "A test connects to the public network.",
    "no-timeout": "A call without a timeout may never end.",
    "not-served": "A fault or a request that a served upstream cannot play.",
    "override-left": "A dependency override outlives its test.",
    "repeated-statement": "A loop sends the same SQL statement again and again.",
    "schedules.race": "The test fails when its tasks run in another order.",
    "schedules.refused": "No other order of the tasks could be tried.",
    "schedules.together": "Requests together come to what no order of them gives.",
    "serve-error": "A side effect raised while a served upstream answered.",
    "swallowed": "An upstream call failed, and the app answered a success without a word.",
    "sweep.assertion": "The test's own assertions fail under a fault, and were asked to hold.",
    "sweep.broken-afterwards": "After a cut request the same request fails.",
    "sweep.broken-body": "The app raised after its response had started.",
    "sweep.cached-failure": "The app still serves a failure when the upstream works again.",
    "sweep.caller-blamed": "The app answers 4xx for a failure of its upstream.",
    "sweep.cancel-swallowed": "A handler was cancelled and answered all the same.",
    "sweep.clean": "A request fails without any fault, so a sweep learns nothing of it.",
    "sweep.cleanup-cut-off": "Cleanup that awaits was cancelled before its end.",
    "sweep.cleanup-not-run": "An async generator is left before its cleanup.",
    "sweep.connection-lost": "After a failure of the database the app still fails when it is back.",
    "sweep.database-gone": "An SQLite database in memory ended with a cancelled connection.",
    "sweep.failed": "Cleanup raised while the request was cancelled.",
    "sweep.hung": "A request did not end.",
    "sweep.invariant": "The invariant does not hold after the clean run.",
    "sweep.leak": "A failed or cut request leaves something behind.",
    "sweep.left-out": "Faults that could not be played were left out.",
    "sweep.lock-held": "A cut request leaves a lock or semaphore held.",
    "sweep.lost-background-task": "Work after the response failed, and no one asks for its error.",
    "sweep.masked": "The app answers a success although an upstream call failed.",
    "sweep.no-timeout": "The app waits for a slow or silent upstream without a limit.",
    "sweep.not-given-back": "What was taken from a pool is not put back.",
    "sweep.not-judged": "A run of a sweep could not be judged.",
    "sweep.not-reached": "The call to strike was not made in its run.",
    "sweep.nothing": "A sweep had nothing to strike.",
    "sweep.pool-connection-lost": "A failed exchange takes a connection out of the pool for good.",
    "sweep.replay": "A replay token fits no test that was run.",
    "sweep.second-run": "The test fails when it is run a second time.",
    "sweep.side-effect": "A failed or cut request breaks the invariant.",
    "sweep.start-up-aborted": "The app does not start when a call of its start-up fails.",
    "sweep.stopped": "A sweep ended before all of its points were run.",
    "sweep.stuck": "After a failure the app does not answer any more.",
    "sweep.undeclared-status": "The app answers with a status that its endpoint does not declare.",
    "sweep.unexpected-data": "The app fails on valid JSON of another shape.",
    "sweep.unhandled": "A failure of an upstream reaches the caller as a plain 500.",
    "sweep.unsafe-retry": "A POST or PATCH was sent again without an idempotency key.",
    "tape": "A cassette could not be recorded or written.",
    "threads": "The thread pool is exhausted: calls wait for a thread.",
    "transaction": "A transaction goes on after its request was answered.",
    "undeliverable-answer": "A route answers with a response that breaks HTTP.",
    "unrouted": "An upstream call that no route of the test answers.",
    "unsafe-retry": "A POST or PATCH was sent again without an idempotency key.",
    "unused-fault": "A fault of the test that never struck.",
    "unused-route": "A route of the test that was never called.",
    "upstream-exhausted": "A route's list of answers is used up.",
}
# Kinds that have no page of their own: what they are a form of.
_FALLBACK = {"sweep.set-up": "sweep.failed", "sweep.teardown": "sweep.failed"}


def rule_of(kind: str) -> str:
    """The rule id of a kind: itself, or the one it is a form of; empty where there is none."""
    for name in (kind, kind.removesuffix(".resisting"), kind.removeprefix("sweep.")):
        if name in RULES:
            return name
    return _FALLBACK.get(kind, "")


def page_of(kind: str, site: str = "") -> str:
    """Where the documentation of a kind is: an address below `site`, else a path.

    Empty where no rule is known.
    """
    rule = rule_of(kind)
    if not rule:
        return ""
    base = (site or SITE).rstrip("/")
    return f"{base}/findings/{rule}/" if base else f"docs/findings/{rule}.md"
