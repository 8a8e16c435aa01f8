"""The fault sweep: the same test once for each upstream call and each fault it may meet.

Modelled after SQLite's anomaly tests, which fail the first, second ... n-th operation
until a run completes. A point is a call by its identity (`call_identity.py`), and how far the
fault reaches from there. Must not import an HTTP library or pytest.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.unsupported_clients import in_users_code
from .._faults.registry import SWEEP
from . import fault_findings, injected_faults
from .call_identity import FaultTarget, SweptCalls, plain
from .fault_verdict import judge
from .model import ALL, Exploration, sampled
from .run_observer import SweepProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core.findings import Finding
    from .call_identity import SweptCall
    from .marker_arguments import FaultSweepOptions
    from .model import Result, Run, RunState
    from .recorded_responses import RecordedResponse

KIND = "faults"
# How far a fault goes on from the struck call, in a token after its number.
REACHES = {"": "", "url": "+", "host": "+host", "equal": "+equal"}
# What a whole host is tried with.
_HOST_FAULT = "refused"
# Where there are more, the first meets every fault; the others, and all at once, meet these:
# one that makes the call raise, and one that has to be looked at.
_REDUCED_FAULTS = ("refused", "500")
# Of these one call is enough: they come to the same as others.
_NO_OUTAGE = ("503_html", "no_body")


@dataclass(eq=False)
class FaultPoint:
    """The `number`-th call of the clean run gets this fault; `reach` is how far it goes on."""

    sweep: FaultSweep
    number: int
    call: SweptCall
    fault: str
    reach: str = ""
    times: Sequence[float] = ()
    target: FaultTarget | None = field(default=None, repr=False)

    @property
    def options(self) -> FaultSweepOptions:
        """The options of the sweep."""
        return self.sweep.options

    @property
    def row(self) -> str:
        """Its row of the matrix: `"3"`, and `"3+"` where the fault goes on."""
        return f"{self.number}{REACHES[self.reach]}"

    @property
    def token(self) -> str:
        """`"faults:3:reset"`."""
        return f"{KIND}:{self.row}:{self.fault}"

    def prepare(self, state: RunState) -> None:
        """Place the fault and the probe."""
        state.request_virtual_time()
        self.sweep.record(state, self, again=self.sweep.is_sent_again)

    def judge(self, run: Run, clean: Run) -> Result:
        """The result of the run."""
        return judge(self, run, clean)


class FaultSweep(Exploration):
    """One test's fault sweep; `test` is its name for the line that replays."""

    kind = KIND

    def __init__(self, options: FaultSweepOptions, test: str, *, required: bool) -> None:
        self.options = options
        self.test = test
        self._required = required

    def prepare(self, state: RunState) -> None:
        """Record the clean run."""
        self.record(state)

    def control(self) -> Callable[[RunState], None] | None:
        """The same once more, and afterwards the same requests as after each point."""
        return lambda state: self.record(state, again=self.is_sent_again)

    def is_sent_again(self, answer: RecordedResponse) -> bool:
        """Is this request sent once more after the run?"""
        return self.options.again and answer.is_safe

    def record(
        self,
        state: RunState,
        point: FaultPoint | None = None,
        again: Callable[[RecordedResponse], bool] = lambda answer: False,
    ) -> None:
        """Place the fault of this point, if any, and the probe."""
        calls, target = self._install(state, point)
        if point is not None:
            point.target = target
        state.probe = SweepProbe(
            state,
            invariant=self.options.invariant,
            again=again,
            calls=calls,
            setup=self.options.setup,
            times=() if point is None else point.times,
            point=point,
            locks=True,
        )

    def _install(self, state: RunState, point: FaultPoint | None) -> tuple[SweptCalls, FaultTarget]:
        """A fault on the calls of this point, if any; with virtual time, where it can be had."""
        recorder = state.scope.recorder
        recorder.keeps_responses = True
        calls = SweptCalls(recorder, state.record_round_trips(), setup=self.options.setup)
        fault, call, id, reach, slow = _HOST_FAULT, None, None, "", self.options.slow
        if point is not None:
            fault, call, id, reach = point.fault, point.call, point.call.id, point.reach
            slow = self.slow(call, state)
        target = FaultTarget(calls, id, reach)
        state.faults.give(target, injected_faults.effect(fault, call, slow), origin=SWEEP)
        # Matched against each, with or without a point: that is how the calls are recorded.
        effects = injected_faults.round_trip_effects(fault, call, slow)
        state.faults.connections.give(target, *effects, origin=SWEEP)
        state.request_virtual_time()
        return calls, target

    def slow(self, call: SweptCall | None, state: RunState) -> float:
        """Seconds of the slow answer: beyond the call's own timeout where time is virtual."""
        own = injected_faults.own_timeout(call)
        free = state.wants_clock and not injected_faults.is_served(call)
        return self.options.slow if own is None or not free else max(self.options.slow, own + 1)

    def points(self, clean: Run, done: Sequence[Result]) -> list[FaultPoint]:
        """Every call with every fault; of many equal calls the first, middle, last, and all."""
        points: list[FaultPoint] = []
        for number, call, group in self._sampled(clean):
            faults = injected_faults.faults(self.options.faults, call)
            reduced = [fault for fault in faults if fault in _REDUCED_FAULTS] or faults[:1]
            is_first = call is group[0]
            for fault in faults if is_first or len(group) <= ALL else reduced:
                points.append(self._point(clean, number, call, fault))
            for fault in injected_faults.outages(self.options.faults, call):
                points.append(self._point(clean, number, call, fault, "host"))
            if is_first and len({each.id.url for each in group}) > 1:
                equal = faults if len(group) <= ALL else reduced
                points += [self._point(clean, number, call, fault, "equal") for fault in equal]
        for number, call in self._hosts(clean):
            if _HOST_FAULT in injected_faults.faults(self.options.faults, call):
                points.append(self._point(clean, number, call, _HOST_FAULT, "host"))
        return points

    def following(self, point: FaultPoint, run: Run) -> list[FaultPoint]:
        """The outage beside the single failure, where the app calls this URL again."""
        if point.call.is_round_trip:  # of which there is an outage anyway
            return []
        calls: list[SweptCall] = run.state.probe.calls.all if run.state is not None else []
        struck = next((place for place, call in enumerate(calls) if call.struck), None)
        if point.reach or point.fault in _NO_OUTAGE or struck is None:
            return []
        url = plain(str(calls[struck].out.url))
        if all(plain(str(call.out.url)) != url for call in calls[struck + 1 :]):
            return []  # it would be the same run
        return [
            FaultPoint(
                sweep=self,
                number=point.number,
                call=point.call,
                fault=point.fault,
                reach="url",
                times=point.times,
            )
        ]

    def point(self, token: str, clean: Run) -> FaultPoint | None:
        """The point of this token."""
        for number, call in self.calls(clean):
            names = injected_faults.faults(self.options.faults, call)
            for fault in {*names, *injected_faults.outages(self.options.faults, call)}:
                for reach in REACHES:
                    point = self._point(clean, number, call, fault, reach)
                    if point.token == token:
                        return point
        return None

    def _point(
        self, clean: Run, number: int, call: SweptCall, fault: str, reach: str = ""
    ) -> FaultPoint:
        times = [answer.duration for answer in clean.state.probe.answers.all]
        return FaultPoint(
            sweep=self, number=number, call=call, fault=fault, reach=reach, times=times
        )

    def calls(self, clean: Run) -> list[tuple[int, SweptCall]]:
        """The calls of the clean run that are meant, each with its number."""
        from .._faults.connections import server_of
        from .._faults.rule import RequestPattern

        where = RequestPattern(self.options.only)
        calls = clean.state.probe.calls.all
        server = server_of(self.options.only)

        def is_meant(call: SweptCall) -> bool:
            if call.is_round_trip and server is not None:
                return server.covers(call.out.request.place)
            return where.covers(call.out)

        return [(n, call) for n, call in enumerate(calls, 1) if is_meant(call)]

    def _sampled(self, clean: Run) -> list[tuple[int, SweptCall, list[SweptCall]]]:
        """Those to strike, each with all that are equal to it."""
        groups: dict[Any, list[tuple[int, SweptCall]]] = defaultdict(list)
        for number, call in self.calls(clean):
            groups[call.id.kind].append((number, call))
        found = [
            (number, call, [each for _, each in group])
            for group in groups.values()
            for number, call in sampled(group)
        ]
        return sorted(found, key=lambda each: each[0])

    def _hosts(self, clean: Run) -> list[tuple[int, SweptCall]]:
        """The first call of each host that more than one URL is called of."""
        urls: dict[str, list[tuple[int, SweptCall]]] = defaultdict(list)
        for number, call in self.calls(clean):
            if not call.is_round_trip:
                urls[call.host].append((number, call))
        return [group[0] for group in urls.values() if len({call.id.kind for _, call in group}) > 1]

    def findings(self, clean: Run, done: Sequence[Result]) -> list[Finding]:
        """The bad points by what is wrong and where, and what is only listed."""
        calls = self.calls(clean)
        if not calls:
            before = clean.state.probe.calls.before
            nothing = fault_findings.nothing_to_sweep(
                self.test, self.options.only, before, in_users_code(clean.state.user_code)
            )
            return [nothing] if self._required else []
        invariant_error = clean.state.probe.invariant_error
        if invariant_error is not None:
            return [fault_findings.broken_before(self.test, invariant_error)]
        left_out = sorted(
            {
                name
                for _, call in calls
                for name in injected_faults.left_out(self.options.faults, call)
            }
        )
        return fault_findings.findings(self.test, done, left_out, required=self._required)

    def about(self, clean: Run) -> dict[str, Any]:
        """The rows and columns of the matrix."""
        rows = {
            str(number): {
                "call": call.label,
                "where": str(call.out.where or ""),
                "activity": call.out.activity,
            }
            for number, call in self.calls(clean)
        }
        answers = [f"{a.label} {a.status}" for a in clean.state.probe.answers.all]
        facts: dict[str, Any] = {
            "rows": rows,
            "left_out": len(rows) - len(self._sampled(clean)),
            "columns": self._columns(clean),
            "clean": answers,
        }
        return facts if rows else {**facts, "nothing": self._why_nothing(clean)}

    def _columns(self, clean: Run) -> list[str]:
        """The selected faults; where there is no HTTP call, only those of round trips."""
        calls = [call for _, call in self.calls(clean)]
        if not calls or not all(call.is_round_trip for call in calls):
            return list(self.options.faults)
        options, met = self.options.faults, set[str]()
        for call in calls:
            met |= {*injected_faults.faults(options, call), *injected_faults.outages(options, call)}
        return [name for name in options if name in met]

    def _why_nothing(self, clean: Run) -> str:
        if clean.state.probe.calls.before:
            return "upstream calls are made before the test's body only"
        if self.options.only != "*":
            return f"no call to {self.options.only} was made"
        return fault_findings.no_call(in_users_code(clean.state.user_code))
