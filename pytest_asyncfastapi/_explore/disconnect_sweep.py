"""The disconnect sweep: the client leaves, or the handler is cancelled, at every await.

The clean run counts how often each request suspends; then there is one run for each
suspension and each way of being cut: the client goes, one cancellation, or one at
every await from there on (as the cancel scopes of anyio and trio do).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._core.findings import Finding
from . import disconnect_messages, problems
from .cut_errors import is_cancel
from .group_findings import grouped
from .memory_database import is_memory_database
from .model import Exploration, Result, Run, sampled
from .problems import Problem
from .recorded_responses import CutPoint, Mode
from .run_observer import SweepProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .marker_arguments import DisconnectSweepOptions
    from .model import RunState
    from .recorded_responses import RecordedResponse

KIND = "disconnect"
_MODES: tuple[Mode, ...] = ("leave", "cancel", "cancel_always")
# What a cleanup that was cut off leaves behind; a broken invariant counts all the same.
_FOLLOWS = (
    *("leak", "cleanup not run", "not given back", "stuck"),
    *("broken afterwards", "failed", "teardown"),
)


@dataclass(eq=False)
class DisconnectPoint:
    """The request is cut at this step, in this way."""

    sweep: DisconnectSweep
    cut: CutPoint

    @property
    def token(self) -> str:
        """`"disconnect:1.7:leave"`: the first request of the test, its seventh suspension."""
        return f"{KIND}:{self.cut.request}.{self.cut.step}:{self.cut.mode}"

    def prepare(self, state: RunState) -> None:
        """Place the cut."""
        again = self.sweep.options.again
        self.sweep.record(
            state,
            cut=self.cut,
            again=lambda answer: again and answer.cut,
            times=self.sweep.times,
        )

    def judge(self, run: Run, clean: Run) -> Result:
        """The result of the run."""
        answer = _cut_answer(self.cut, run)
        if answer is None:
            return self._result("not reached")
        found = [*self._problems(run, clean, answer)]
        if answer.cut_off:  # one cause, whatever follows from it: distinguished
            found = [problem for problem in found if problem.verdict not in _FOLLOWS]
        if found:
            detail = "; ".join(dict.fromkeys(problem.detail for problem in found))
            worst = found[0]
            worst = replace(worst, detail=detail, where=worst.where or answer.cut_at)
            return self._result(worst.verdict, answer, worst, bad=True)
        for problem in self._listed(run, clean, answer):
            return self._result(problem.verdict, answer, problem)
        return self._result("ok", answer)

    def _listed(self, run: Run, clean: Run, answer: RecordedResponse) -> Iterator[Problem]:
        """What may be meant, or is not the app's: it does not fail the test."""
        if answer.cut_off:
            line = answer.cut_off[0]
            detail = f"it was waiting at {line} when it was cancelled again: {line.source}"
            yield Problem("cleanup cut off", detail, line, disconnect_messages.SHIELD)
        if answer.swallowed:
            yield Problem(
                "cancel swallowed",
                f"{answer.label} was cancelled before its response began, and answered "
                f"{answer.status}: its caller waits on, and so does a server that shuts down",
                answer.cut_at,
            )
        yield from problems.of_tasks(run, clean)
        for again in _served_no_more(run, clean):
            if is_memory_database(again.error):
                yield Problem(
                    "database gone",
                    f"{again.label}, sent once more, finds no table: an SQLite database in memory "
                    "ends with its connection, and the cancelled one was closed",
                    answer.cut_at,
                )

    def _problems(self, run: Run, clean: Run, answer: RecordedResponse) -> Iterator[Problem]:
        if answer.hung:
            yield Problem(
                "hung",
                f"{answer.label} caught every cancellation, and was ended by force",
                answer.cut_at,
            )
        yield from problems.of_findings(run, clean)
        yield from problems.of_the_end(run, clean)
        yield from problems.of_held(run, clean, "not given back")
        yield from problems.of_generators(run, clean)
        yield from _afterwards(run, clean)
        if answer.error is not None and not is_cancel(answer.error):
            yield Problem(
                "failed",
                f"{answer.label} raised {problems.describe_error(answer.error)} as it was cut",
                problems.raised_at(answer.error, run),
            )
        if "setup" in run.errors:
            yield Problem(
                "set-up", f"the set-up failed: {problems.describe_error(run.errors['setup'])}"
            )
        yield from problems.of_teardown(run, clean)
        if self.sweep.options.assertions:
            yield from problems.of_assertions(run)

    def _result(
        self,
        verdict: str,
        answer: RecordedResponse | None = None,
        problem: Problem | None = None,
        *,
        bad: bool = False,
    ) -> Result:
        problem = problem or Problem(verdict, "")
        where = problem.where
        remedy = problem.remedy or disconnect_messages.REMEDIES.get(verdict, "")
        data: dict[str, Any] = {"remedy": remedy} if remedy else {}
        if where is not None:
            data["where"] = where.to_list()
        if answer is not None:
            data["activity"] = answer.label
            data["cut_at"] = "" if answer.cut_at is None else str(answer.cut_at)
            data["cut_off"] = [str(line) for line in answer.cut_off]
        return Result(
            token=self.token,
            verdict=verdict,
            bad=bad,
            answer=str(answer.status) if answer is not None and answer.complete else "cut",
            detail=problem.detail,
            group=f"{verdict}/{where or ''}",
            row=f"{self.cut.request}.{self.cut.step}",
            column=self.cut.mode,
            data=data,
        )


class DisconnectSweep(Exploration):
    """One test's disconnect sweep; `test` is its name for the line that replays."""

    kind = KIND

    def __init__(self, options: DisconnectSweepOptions, test: str, *, required: bool) -> None:
        self.options = options
        self.test = test
        self._required = required
        self.times: list[float] = []  # seconds that each request took in the clean run

    def prepare(self, state: RunState) -> None:
        """Count the steps of the clean run."""
        self.record(state)

    def record(self, state: RunState, **more: Any) -> None:
        """Place the probe; `more` are its arguments."""
        options = self.options
        state.request_virtual_time()
        state.probe = SweepProbe(
            state, invariant=options.invariant, stepped=True, setup=options.setup, **more
        )

    def points(self, clean: Run, done: Sequence[Result]) -> list[DisconnectPoint]:
        """Every suspension of every request, in every way; of many equal ones some."""
        return self._cuts(clean, _sampled(clean.state.probe.answers.all))

    def _cuts(self, clean: Run, places: list[tuple[int, int]]) -> list[DisconnectPoint]:
        probe = clean.state.probe
        self.times = [answer.duration for answer in probe.answers.all]
        # On trio there is no other way than for good.
        modes: list[Mode] = [mode for mode in _MODES if mode in self.options.modes]
        if probe.on_trio and "cancel" in modes:
            modes.remove("cancel")
        return [
            DisconnectPoint(self, CutPoint(request, step, mode))
            for request, step in places
            for mode in modes
        ]

    def control(self) -> Callable[[RunState], None] | None:
        """The same requests once more, without a cut before."""
        if not self.options.again:
            return None
        return lambda state: self.record(state, again=lambda answer: True)

    def point(self, token: str, clean: Run) -> DisconnectPoint | None:
        """The point of this token, sampled or not."""
        places = [
            (request, step)
            for request, answer in enumerate(clean.state.probe.answers.all, 1)
            for step in range(1, answer.steps + 1)
        ]
        return next((p for p in self._cuts(clean, places) if p.token == token), None)

    def findings(self, clean: Run, done: Sequence[Result]) -> list[Finding]:
        """The bad points by what is wrong and where, and the cleanups that were cut off."""
        probe = clean.state.probe
        if self._required and not any(answer.steps for answer in probe.answers.all):
            return [_nothing(self.test)]
        if probe.invariant_error is not None:
            from .fault_findings import broken_before

            return [broken_before(self.test, probe.invariant_error)]
        return grouped(self.test, "disconnect sweep", done, _title, disconnect_messages.WHY)

    def about(self, clean: Run) -> dict[str, Any]:
        """The requests, how often each suspends, and how many of these places are not tried."""
        answers = clean.state.probe.answers.all
        tried = Counter(request for request, _ in _sampled(answers))
        facts: dict[str, Any] = {
            "left_out": {
                str(n): answer.steps - tried[n]
                for n, answer in enumerate(answers, 1)
                if answer.steps > tried[n]
            },
            "requests": {str(n): [a.label, a.steps, a.status] for n, a in enumerate(answers, 1)},
            "columns": list(self.options.modes),
        }
        if any(answer.steps for answer in answers):
            return facts
        waits = "no request of `asgi_client` ever waits" if answers else "no request was made"
        return {**facts, "nothing": waits}


def _sampled(answers: Sequence[RecordedResponse]) -> list[tuple[int, int]]:
    """The suspensions to cut at, as request and step: of equal ones the first, middle and last.

    Equal are those of the same endpoint with the same lines above them, to the innermost.
    """
    groups: dict[Any, list[tuple[int, int]]] = defaultdict(list)
    for request, answer in enumerate(answers, 1):
        for step, place in enumerate(answer.places, 1):
            groups[(answer.endpoint, place)].append((request, step))
    return sorted(each for group in groups.values() for each in sampled(group))


def _afterwards(run: Run, clean: Run) -> Iterator[Problem]:
    """Is the same request still answered, after the one that was cut?"""
    for again in _served_no_more(run, clean):
        if is_memory_database(again.error):
            continue
        why = f": {problems.describe_error(again.error)}" if again.error is not None else ""
        yield Problem(
            "broken afterwards", f"{again.label}, sent once more, is answered {again.status}{why}"
        )


def _served_no_more(run: Run, clean: Run) -> Iterator[RecordedResponse]:
    """The requests that fail when they are sent once more, and do not after a clean run."""
    control = problems.afterwards(clean)
    for number, again in run.state.probe.afterwards.items():
        well = number in control and control[number].status < 500
        if well and again.complete and again.status >= 500:
            yield again


def _title(results: Sequence[Result]) -> str:
    first = results[0]
    modes = ", ".join(
        disconnect_messages.IN_WORDS[mode] for mode in dict.fromkeys(r.column for r in results)
    )
    at = dict.fromkeys(r.data["cut_at"] for r in results if r.data.get("cut_at"))
    places = ", ".join([*at][:3]) + (f" and {len(at) - 3} more" if len(at) > 3 else "")
    return f"{first.verdict} when {modes} at {places or 'await ' + first.row}"


def _nothing(test: str) -> Finding:
    return Finding(
        kind="sweep.nothing",
        title="disconnect sweep: no request of the test ever waits",
        why="the sweep has nothing to cut, and would always be green",
        remedy="remove the sweep, or send the request with `asgi_client`",
        test=test,
    )


def _cut_answer(cut: CutPoint, run: Run) -> RecordedResponse | None:
    answers = run.state.probe.answers.all
    answer = answers[cut.request - 1] if cut.request <= len(answers) else None
    return answer if answer is not None and answer.cut else None
