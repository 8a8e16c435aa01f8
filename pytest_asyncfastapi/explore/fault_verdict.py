"""What a faulted run came to: the endpoint's answer, judged.

"500 is a bug" is not enough. An exception, one after the response has started, a
status that nobody declared, the caller blamed, a side effect left, a failure cached,
no timeout: each is told apart. A 200 although the call failed (a *masked* fault) may
be right, and is listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import problems
from .asked import GATEWAY
from .declared import declares
from .points import Result
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .answers import Answer
    from .fault_sweep import FaultPoint
    from .points import Run
    from .probe import Probe


def judge(point: FaultPoint, run: Run, clean: Run) -> Result:
    """The result of one point."""
    call, asked = _call(point, run), point.sweep.asked
    if not point.rule.hits:
        return _result(point, run, "not reached", detail="the call was not made in this run")
    found = [*_problems(point, run, clean)]
    if found:
        worst = found[0]
        return _result(
            point,
            run,
            worst.verdict,
            bad=True,
            detail="; ".join(dict.fromkeys(problem.detail for problem in found)),
            where=worst.where or getattr(call, "where", None),
            remedy=worst.remedy,
        )
    masked = _masked(point, run, clean)
    if masked:
        bad = asked.masked == "fail"
        return _result(
            point, run, "masked", bad=bad, detail=masked, where=getattr(call, "where", None)
        )
    return _result(point, run, "ok")


def _problems(point: FaultPoint, run: Run, clean: Run) -> Iterator[Problem]:
    """Everything wrong with the run, the worst first."""
    asked = point.sweep.asked
    probe: Probe = run.state.probe
    yield from problems.of_findings(run, clean)
    yield from _waited(point, run)
    for answer in probe.answers.all:
        if (problem := problems.raised(answer, run)) is not None:
            yield problem
    if "setup" in run.errors:
        yield _aborted(run.errors["setup"], run)
    yield from problems.of_the_end(run, clean)
    for answer, first in _beside(run, clean):
        if answer.error is None and (problem := _status(answer, first, asked.statuses)):
            yield problem
    yield from _cached(run, clean)
    yield from problems.of_teardown(run, clean)
    if asked.assertions:
        yield from problems.of_assertions(run)


def _beside(run: Run, clean: Run) -> Iterator[tuple[Answer, Answer | None]]:
    """Each answer with that of the clean run; a test that fails half-way has fewer."""
    others = clean.state.probe.answers.all
    for place, answer in enumerate(run.state.probe.answers.all):
        first = others[place] if place < len(others) else None
        yield answer, first if first is not None and first.label == answer.label else None


def _status(answer: Answer, first: Answer | None, statuses: tuple[int, ...]) -> Problem | None:
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


def _waited(point: FaultPoint, run: Run) -> Iterator[Problem]:
    """Did the app wait for all of a slow answer?"""
    call, slow = _call(point, run), point.sweep.asked.slow
    if point.fault != "slow" or call is None or call.error or call.duration is None:
        return
    if call.duration >= slow:
        yield Problem(
            "no timeout",
            f"the app waited {slow:g} s for {call.method} {call.url}",
            call.where,
            "give the call a timeout (httpx's default is 5 s a read), or asyncio.timeout() "
            "around it",
        )


def _aborted(error: BaseException, run: Run) -> Problem:
    return Problem(
        "start-up aborted",
        f"the app (or a fixture) does not start: {problems.told(error)}",
        problems.place(error, run),
        "start without it and try again later, or retry the call",
    )


def _cached(run: Run, clean: Run) -> Iterator[Problem]:
    """Is a failure still served after the upstream has recovered?"""
    others = clean.state.probe.answers.all
    for place, again in run.state.probe.afterwards.items():
        first = others[place] if place < len(others) else None
        if first is None or not again.status or again.same_as(first):
            continue
        if again.same_as(run.state.probe.answers.all[place]):
            yield Problem(
                "cached failure",
                f"{again.label} still answers {again.status} as it did when the call failed, "
                "a minute after the upstream has recovered",
                remedy="do not keep what a failed call came to, or only for seconds",
            )


def _masked(point: FaultPoint, run: Run, clean: Run) -> str:
    """Did the caller get a success although the call failed, and nobody tried it again?"""
    calls, struck = run.state.probe.calls, _call(point, run)
    if struck is None or (point.fault == "slow" and not struck.error):
        return ""
    for later in calls[point.call :]:
        same = (later.method, later.url) == (struck.method, struck.url)
        if same and not later.error and (later.status or 500) < 400:
            return ""  # tried again, with success
    for answer, first in _beside(run, clean):
        if struck.activity not in ("", answer.label) or not 200 <= answer.status < 400:
            continue
        if first is not None and answer.same_as(first):
            return f"{answer.label} answered {answer.status} as if nothing had happened"
        return f"{answer.label} answered {answer.status} with other content"
    return ""


def _call(point: FaultPoint, run: Run) -> Any:
    calls = run.state.probe.calls if run.state is not None else ()
    return calls[point.call - 1] if point.call <= len(calls) else None


def _answered(run: Run, call: Any) -> str:
    """What the caller of the struck call got: `"502"`, or `"raised"` where nothing came."""
    answers = run.state.probe.answers.all
    mine = [a for a in answers if call is not None and call.activity == a.label] or answers
    for answer in mine:
        if answer.error is not None:
            return "raised"
    return str(mine[0].status or "none") if mine else "none"


def _result(
    point: FaultPoint,
    run: Run,
    verdict: str,
    *,
    bad: bool = False,
    detail: str = "",
    where: Any = None,
    remedy: str = "",
) -> Result:
    call = _call(point, run)
    place = f"{where.path}:{where.line}" if where is not None else ""
    data: dict[str, Any] = {"remedy": remedy} if remedy else {}
    if where is not None:
        data["where"] = [where.path, where.line, where.function, where.source]
    if call is not None:
        data["activity"] = call.activity
    return Result(
        point.token,
        verdict,
        bad,
        _answered(run, call),
        detail,
        f"{verdict}/{place or point.call}",
        str(point.call),
        point.fault,
        data,
    )
