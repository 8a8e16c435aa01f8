"""The problems that any sweep reports of a run, independent of what it injected.

A problem is a verdict and one line of detail; the worst comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .disconnect_messages import ASYNC_WITH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.findings import Finding, Location
    from .model import Run
    from .recorded_responses import RecordedResponse

# A run with a fault may well not use every route and fault of its test.
_EXPECTED = ("unused-route", "unused-fault")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a run: `verdict` in a word or two, `where` the user's line."""

    verdict: str
    detail: str
    where: Location | None = None
    remedy: str = ""


def of_findings(run: Run, clean: Run) -> Iterator[Problem]:
    """What the packages saw in this run only: a call without a timeout, a leak, a blocking call."""
    elsewhere = ("leak.generator",) if run.state.probe.unclosed else ()  # by `of_generators()`
    for finding in run.new_findings(clean, without=(*_EXPECTED, *elsewhere)):
        leak = finding.kind.startswith("leak.")
        if finding.severity == "error" or leak:
            verdict = {"no-timeout": "no timeout"}.get(finding.kind, finding.kind)
            yield Problem(
                "leak" if leak else verdict, finding.title, finding.where, _remedy(finding)
            )


def _remedy(finding: Finding) -> str:
    if finding.kind == "unrouted":
        return (
            "the app makes this call only when something fails: give it a route too (in a sweep "
            "a route may stay unused)"
        )
    return finding.remedy


def of_generators(run: Run, clean: Run) -> Iterator[Problem]:
    """The async generators that are left before their cleanup."""
    for left in run.state.probe.unclosed:
        if left not in clean.state.probe.unclosed:
            yield Problem(
                "cleanup not run",
                f"the async generator {left.name}() is left at {left.where} for good: {_CLEANUP}",
                left.begun or left.where,
                "close it where it is used: `async with contextlib.aclosing(...) as items:`",
            )


_CLEANUP = "what its `finally` or `async with` gives back is not given back"


def of_tasks(run: Run, clean: Run) -> Iterator[Problem]:
    """The tasks of a request that have failed and were never awaited."""
    usual = {raised_at(left.error, clean) for left in clean.state.probe.failed}
    for left in run.state.probe.failed:
        where = raised_at(left.error, run)
        if where not in usual:
            yield Problem(
                "lost background task",
                f"the task {left.name}() of {left.answer.label}, which nobody awaits, failed: "
                f"{describe_error(left.error)}",
                where,
                RETRY_LATER,
            )


# What to do with work after the answer.
RETRY_LATER = "try again later, or keep what is to be done (a queue, an outbox) until it is done"


def of_the_end(run: Run, clean: Run) -> Iterator[Problem]:
    """The run hung, the invariant does not hold, or the app serves no more."""
    probe = run.state.probe
    if run.state.deadlock:
        yield Problem("hung", "every task waits for another: " + _first(run.state.deadlock))
    elif _still_running(run):
        yield Problem("hung", _first(str(_still_running(run))))
    if probe.invariant_error is not None:
        yield Problem(
            "side effect", f"the invariant does not hold: {describe_error(probe.invariant_error)}"
        )
    for number, answer in probe.unanswered.items():
        if number in afterwards(clean):
            yield Problem(
                "stuck",
                f"{answer.label}, sent once more, is not answered, as it is after the clean run: "
                "a lock or a connection is still held",
            )


def of_held(run: Run, clean: Run, lost: str) -> Iterator[Problem]:
    """The locks that are not released, and what was taken from a pool and not put back.

    `lost` is the verdict for the latter.
    """
    mine, usual = run.state.probe, clean.state.probe
    for lock in mine.held:
        if lock not in usual.held:
            detail = f"{lock.what} taken at {lock.where} is still held"
            yield Problem("lock held", detail, lock.where, ASYNC_WITH)
    for item in mine.missing:
        # What a consumer takes from a queue of jobs is put back in no run.
        if item.where in usual.returned and item not in usual.missing:
            detail = f"what was taken from a {item.what} at {item.where} is not put back"
            yield Problem(lost, detail, item.where)


def afterwards(clean: Run) -> dict[int, RecordedResponse]:
    """What the same requests are answered, sent once more after a clean run."""
    control = clean.control
    return {} if control is None else control.state.probe.afterwards


def of_teardown(run: Run, clean: Run) -> Iterator[Problem]:
    """An error in the teardown, such as an app that does not shut down any more."""
    error = run.errors.get("teardown")
    # Findings after the body are reported as they are.
    if error is not None and not run.new_findings(clean, without=_EXPECTED):
        yield Problem("teardown", f"after the test: {describe_error(error)}")


def of_assertions(run: Run) -> Iterator[Problem]:
    """The test's own assertions, where `assertions=True`."""
    error = run.errors.get("call")
    if isinstance(error, AssertionError):
        yield Problem("assertion", f"the test's own: {describe_error(error)}")


def raised(answer: RecordedResponse, run: Run) -> Problem | None:
    """What the app raised, before its response or in the middle of it."""
    error = answer.error
    if error is None or answer.ended:
        return None
    where = raised_at(error, run, answer.trace)
    if answer.started and not answer.complete:
        got = f"a {answer.status} with {len(answer.body)} bytes of its body"
        return Problem(
            "broken body",
            f"{answer.label} had sent {got}, then {describe_error(error)}",
            where,
            "fetch what can fail before the response starts, or end the stream with words that "
            "its reader understands",
        )
    return Problem(
        "unhandled",
        f"{answer.label} raised {describe_error(error)}",
        where,
        "catch it where the call is made, and answer 502, 503 or 504 (or what the endpoint "
        "declares in `responses=`)",
    )


def raised_at(error: BaseException, run: Run, trace: Any = None) -> Location | None:
    """The innermost of the user's lines in a traceback; `trace` is the app's part of it."""
    found: Location | None = run.state.user_code.raised_at(trace or error.__traceback__)
    return found


def describe_error(error: BaseException) -> str:
    """An exception in one line."""
    text = _first(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _still_running(run: Run) -> BaseException | None:
    for error in run.errors.values():
        if type(error).__name__ == "AppStillRunning":
            return error
    return None


def _first(text: str) -> str:
    return text.strip().partition("\n")[0]
