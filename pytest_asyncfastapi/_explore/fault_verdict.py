"""The verdict on a faulted run, from the endpoint's answer.

"500 is a bug" is not enough. An exception, one after the response has started, a
status that nobody declared, the caller blamed, a side effect left, a failure cached,
no timeout: each is distinguished. A 200 although the call failed (a *masked* fault) may
be right, and is listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from . import problems, unsafe_retries, without_end
from .call_identity import same_answer
from .marker_arguments import GATEWAY
from .model import Result
from .openapi_statuses import declares
from .problems import Problem
from .swept_faults import swept_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .call_identity import SweptCall
    from .marker_arguments import FaultSweepOptions
    from .model import Run
    from .recorded_responses import RecordedResponse

# The strongest first. What no route answers makes all else of the run doubtful.
_STRENGTH = (
    *("unrouted", "not-served", "hung", "no timeout", "start-up aborted", "unhandled"),
    *("broken body", "stuck", "side effect", "undeclared status", "caller blamed"),
    *(
        "pool connection lost",
        "connection lost",
        "lock held",
        "cached failure",
        "cleanup not run",
        "leak",
    ),
)
# An answer that is well-formed, and not the agreed one: that is not an outage.
_UNEXPECTED = ("unhandled", "broken body", "undeclared status", "caller blamed")
_LISTED = ("unsafe retry", "lost background task", "unexpected data", "masked")
# Raised by the plugin for what has a finding of its own.
_REPORTED_OTHERWISE = ("NoTimeoutSet", "UnroutedCall")
_SHOWN = 60  # characters of a body


class Point(Protocol):
    """What the verdict needs of a point: `fault` strikes `call`, the `number`-th of its run."""

    fault: str
    number: int
    call: SweptCall

    @property
    def row(self) -> str:
        """Its row of the matrix."""
        ...

    @property
    def token(self) -> str:
        """Its name."""
        ...

    @property
    def options(self) -> FaultSweepOptions:
        """The options of the sweep."""
        ...


def judge(point: Point, run: Run, clean: Run) -> Result:
    """The result of one point."""
    struck = _struck_call(run)
    if struck is None:
        detail = "the call was not made in this run"
        return _result(point, run, [Problem("not reached", detail)], place=False)
    found = sorted(_problems(point, run, clean), key=_rank)
    if found and found[0].verdict not in _LISTED:
        return _result(point, run, found, bad=True)
    if not found and (masked := _masked(point, run, clean)):
        return _result(point, run, [Problem("masked", masked)], bad=point.options.masked == "fail")
    return _result(point, run, found)


def _rank(problem: Problem) -> tuple[bool, int]:
    verdict = problem.verdict
    place = _STRENGTH.index(verdict) if verdict in _STRENGTH else len(_STRENGTH)
    return verdict in _LISTED, place


def _problems(point: Point, run: Run, clean: Run) -> Iterator[Problem]:
    """Everything wrong with the run."""
    for problem in _all_problems(point, run, clean):
        if swept_faults()[point.fault].shape and problem.verdict in _UNEXPECTED:
            yield Problem("unexpected data", problem.detail, problem.where, _CHECKED)
        else:
            yield problem


_CHECKED = "check what has come (a pydantic model, say), and answer 502 where it is not as agreed"


def _all_problems(point: Point, run: Run, clean: Run) -> Iterator[Problem]:
    options = point.options
    probe: Any = run.state.probe
    yield from problems.of_findings(run, clean)
    struck = _struck_call(run)
    if point.fault == "slow" and struck is not None:
        yield from without_end.waits(struck, options.slow)
    for answer in probe.answers.all:
        if _is_late(answer):
            yield _background_failure(answer, run)
        elif type(answer.error).__name__ in _REPORTED_OTHERWISE and run.new_findings(clean):
            continue
        elif (problem := problems.raised(answer, run)) is not None:
            yield problem
    if "setup" in run.errors and not probe.answers.all:
        yield _start_up_failure(run.errors["setup"], run)
    yield from problems.of_the_end(run, clean)
    yield from without_end.retries(probe.calls.endless)
    if point.call.is_round_trip:
        yield from problems.of_held(run, clean, "pool connection lost")
    yield from problems.of_generators(run, clean)
    yield from problems.of_tasks(run, clean)
    for answer, first in _paired(run, clean):
        if answer.error is None and (problem := _status(answer, first, options.statuses)):
            yield problem
    yield from _cached(point, run, clean)
    if struck is not None:
        yield from unsafe_retries.unsafe(
            point.fault, struck, probe.calls.all, clean.state.probe.calls.all
        )
    yield from problems.of_teardown(run, clean)
    if options.assertions:
        yield from problems.of_assertions(run)


def _is_late(answer: RecordedResponse) -> bool:
    """Did it fail after its answer? A 5xx is what a framework answers *for* an exception."""
    return answer.error is not None and answer.is_whole and answer.status < 500


def _background_failure(answer: RecordedResponse, run: Run) -> Problem:
    """The caller has its answer; what was to be done afterwards is not done."""
    error = answer.error
    assert error is not None
    return Problem(
        "lost background task",
        f"after {answer.label} had been answered {answer.status}: {problems.describe_error(error)}",
        problems.raised_at(error, run, answer.trace),
        problems.RETRY_LATER,
    )


def _paired(run: Run, clean: Run) -> Iterator[tuple[RecordedResponse, RecordedResponse | None]]:
    """Each answer with that of the clean run; a test that fails half-way has fewer."""
    for place, answer in enumerate(run.state.probe.answers.all):
        first = _answer_at(clean, place)
        yield answer, first if first is not None and first.label == answer.label else None


def _answer_at(run: Run | None, place: int) -> RecordedResponse | None:
    answers = run.state.probe.answers.all if run is not None and run.state is not None else ()
    return answers[place] if place < len(answers) else None


def _status(
    answer: RecordedResponse, first: RecordedResponse | None, statuses: tuple[int, ...]
) -> Problem | None:
    status = answer.status
    if not answer.is_http or (first is not None and status == first.status):
        return None
    if status in statuses:
        return None
    if 400 <= status < 500:
        return Problem(
            "caller blamed",
            f"{answer.label} answered {status}, which says that the caller was wrong",
            remedy="answer 502, 503 or 504; if this status is meant, name it: statuses=[...]",
        )
    if declares(answer.scope, status):
        return None
    return Problem(
        "undeclared status",
        f"{answer.label} answered {status}, which it does not declare",
        remedy=f"answer one of {', '.join(map(str, GATEWAY))}, declare it in `responses=`, or "
        "name it: statuses=[...]",
    )


def _start_up_failure(error: BaseException, run: Run) -> Problem:
    return Problem(
        "start-up aborted",
        f"the app (or a fixture) does not start: {problems.describe_error(error)}",
        problems.raised_at(error, run),
        "start without it and try again later, or retry the call",
    )


def _cached(point: Point, run: Run, clean: Run) -> Iterator[Problem]:
    """Is a failure still served after the upstream has recovered?

    Compared with the same request after a clean run, which must be answered as before.
    """
    usual = problems.afterwards(clean)
    for place, again in run.state.probe.afterwards.items():
        first, second, after = (
            _answer_at(clean, place),
            _answer_at(clean.control, place),
            usual.get(place),
        )
        if first is None or second is None or after is None or not again.status:
            continue
        if not same_answer(after, first, second) or same_answer(again, first, second):
            continue
        if not again.same_as(run.state.probe.answers.all[place]):
            continue
        if point.call.is_round_trip:
            yield Problem(
                "connection lost",
                f"{again.label} still answers {again.status}, a minute after the server is back",
                remedy="open a new connection after an error, or let a pool do it",
            )
        else:
            yield Problem(
                "cached failure",
                f"{again.label} still answers {again.status} as it did when the call failed, "
                "a minute after the upstream has recovered",
                remedy="do not keep what a failed call came to, or only for seconds",
            )


def _masked(point: Point, run: Run, clean: Run) -> str:
    """Did the caller get a success although the call failed, and nobody tried it again?"""
    call = _struck_call(run)
    if call is None or call.late or swept_faults()[point.fault].shape:
        return ""
    struck = call.exchange
    if (point.fault == "slow" and not struck.error) or point.fault == "no_body":
        return ""
    calls: list[SweptCall] = run.state.probe.calls.all
    for later in calls[calls.index(call) + 1 :]:
        if later.same == call.same and not later.struck:
            came = later.exchange
            if not came.error and (later.is_round_trip or (came.status or 500) < 400):
                return ""  # tried again, with success
    for place, (answer, first) in enumerate(_paired(run, clean)):
        mine = answer is call.answer if call.answer else struck.activity in ("", answer.label)
        if not mine or not 200 <= answer.status < 400:
            continue
        if first is not None and same_answer(answer, first, _answer_at(clean.control, place)):
            return f"{answer.label} answered {answer.status} as if nothing had happened"
        shown = answer.body[:_SHOWN].decode(errors="replace").strip()
        more = "..." if len(answer.body) > _SHOWN else ""
        return f"{answer.label} answered {answer.status} with other content: {shown}{more}"
    return ""


def _struck_call(run: Run) -> SweptCall | None:
    calls = run.state.probe.calls.all if run.state is not None else ()
    return next((call for call in calls if call.struck), None)


def _answered(run: Run, call: SweptCall | None) -> str:
    """What the caller of the struck call got: `"502"`, or `"raised"` where nothing came."""
    answers: list[RecordedResponse] = run.state.probe.answers.all
    if call is not None and call.answer is not None and call.answer in answers:
        answers = [call.answer]
    for answer in answers:
        if answer.error is not None and not _is_late(answer):
            return "raised"
    return str(answers[0].status or "none") if answers else "none"


def _result(
    point: Point, run: Run, found: list[Problem], *, bad: bool = False, place: bool = True
) -> Result:
    """The result: the first of what was found is its verdict, the others are kept beside."""
    call = _struck_call(run)
    worst = found[0] if found else Problem("ok", "")
    where = worst.where
    if where is None and found and place:
        where = (call or point.call).out.where
    at = f"{where.path}:{where.line}" if where is not None else ""
    data: dict[str, Any] = {"call": (call or point.call).label}
    if worst.remedy:
        data["remedy"] = worst.remedy
    if where is not None:
        data["where"] = where.to_list()
    if found:
        data["activity"] = (call or point.call).out.activity
    same = dict.fromkeys(each.detail for each in found if each.verdict == worst.verdict)
    others = {each.verdict: each.detail for each in reversed(found[1:])}
    others.pop(worst.verdict, None)
    if others:
        data["also"] = dict(reversed(others.items()))
    return Result(
        token=point.token,
        verdict=worst.verdict,
        bad=bad,
        answer=_answered(run, call),
        detail="; ".join(same),
        group=f"{worst.verdict}/{at or point.number}",
        row=point.row,
        column=point.fault,
        data=data,
    )
