"""The fault sweep: the same test once for each upstream call and each fault it may meet.

Modelled after SQLite's anomaly tests, which fail the first, second ... n-th operation
until a run completes. A point is a call by its identity (`call_identity.py`), and how far the
fault reaches from there. Knows no HTTP library and no pytest.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.unsupported_clients import in_users_code
from .._faults.registry import SWEEP
from . import fault_findings, injected_faults
from .call_identity import Calls, Target, plain
from .fault_verdict import judge
from .model import ALL, sampled
from .run_observer import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core.findings import Finding
    from .call_identity import Made
    from .marker_arguments import FaultSweepAsked
    from .model import Result, Run, RunState
    from .recorded_responses import Answer

KIND = "faults"
# How far a fault goes on from the struck call, in a token after its number.
REACHES = {"": "", "url": "+", "host": "+host", "equal": "+equal"}
# What a whole host is tried with.
_DOWN = "refused"
# Where there are more, the first meets every fault; the others, and all at once, meet these:
# one that makes the call raise, and one that has to be looked at.
_FEW = ("refused", "500")
# Of these one call is enough: they come to the same as others.
_ONCE = ("503_html", "no_body")


@dataclass(eq=False)
class FaultPoint:
    """The `number`-th call of the clean run gets this fault; `reach` is how far it goes on."""

    sweep: FaultSweep
    number: int
    made: Made
    fault: str
    reach: str = ""
    times: Sequence[float] = ()
    target: Target | None = field(default=None, repr=False)

    @property
    def asked(self) -> FaultSweepAsked:
        """What the sweep is to do."""
        return self.sweep.asked

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
        sweep = self.sweep
        state.request_virtual_time()
        calls, self.target = sweep.place(state, self)
        state.probe = Probe(
            state,
            invariant=sweep.asked.invariant,
            again=lambda answer: sweep.asked.again and answer.is_safe,
            calls=calls,
            setup=sweep.asked.setup,
            times=self.times,
            point=self,
            locks=True,
        )

    def judge(self, run: Run, clean: Run) -> Result:
        """What did it come to?"""
        return judge(self, run, clean)


class FaultSweep:
    """One test's fault sweep; `test` is its name for the line that replays."""

    kind = KIND

    def __init__(self, asked: FaultSweepAsked, test: str, *, required: bool) -> None:
        self.asked = asked
        self.test = test
        self._required = required

    def prepare(self, state: RunState) -> None:
        """Record the clean run."""
        self._record(state, again=lambda answer: False)

    def control(self) -> Callable[[RunState], None] | None:
        """The same once more, and afterwards the same requests as after each point."""
        return lambda state: self._record(
            state, again=lambda answer: self.asked.again and answer.is_safe
        )

    def _record(self, state: RunState, again: Callable[[Answer], bool]) -> None:
        calls, _ = self.place(state, None)
        state.probe = Probe(
            state,
            invariant=self.asked.invariant,
            again=again,
            calls=calls,
            setup=self.asked.setup,
            locks=True,
        )

    def place(self, state: RunState, point: FaultPoint | None) -> tuple[Calls, Target]:
        """A fault on the calls of this point, if any; with virtual time, where it can be had."""
        recorder = state.scope.recorder
        recorder.keeps_responses = True
        calls = Calls(recorder, state.record_round_trips(), setup=self.asked.setup)
        fault, made, id, reach, slow = _DOWN, None, None, "", self.asked.slow
        if point is not None:
            fault, made, id, reach = point.fault, point.made, point.made.id, point.reach
            slow = self.slow(made, state)
        target = Target(calls, id, reach)
        state.faults.give(target, injected_faults.effect(fault, made, slow), origin=SWEEP)
        # The target is asked for each, with or without a point: so it knows whose each is.
        effects = injected_faults.of_round_trips(fault, made, slow)
        state.faults.connections.give(target, *effects, origin=SWEEP)
        state.request_virtual_time()
        return calls, target

    def slow(self, made: Made | None, state: RunState) -> float:
        """Seconds of the slow answer: beyond the call's own timeout where time is virtual."""
        own = injected_faults.own_timeout(made)
        free = state.wants_clock and not injected_faults.is_served(made)
        return self.asked.slow if own is None or not free else max(self.asked.slow, own + 1)

    def points(self, clean: Run, done: Sequence[Result]) -> list[FaultPoint]:
        """Every call with every fault; of many equal calls the first, middle, last, and all."""
        points: list[FaultPoint] = []
        for number, made, group in self._sampled(clean):
            faults = injected_faults.faults(self.asked.faults, made)
            few = [fault for fault in faults if fault in _FEW] or faults[:1]
            is_first = made is group[0]
            for fault in faults if is_first or len(group) <= ALL else few:
                points.append(self._point(clean, number, made, fault))
            for fault in injected_faults.gone(self.asked.faults, made):
                points.append(self._point(clean, number, made, fault, "host"))
            if is_first and len({each.id.url for each in group}) > 1:
                equal = faults if len(group) <= ALL else few
                points += [self._point(clean, number, made, fault, "equal") for fault in equal]
        for number, made in self._hosts(clean):
            if _DOWN in injected_faults.faults(self.asked.faults, made):
                points.append(self._point(clean, number, made, _DOWN, "host"))
        return points

    def leading(self, clean: Run) -> tuple[()]:
        """No point needs others before it."""
        return ()

    def following(self, point: FaultPoint, run: Run) -> list[FaultPoint]:
        """The outage beside the single failure, where the app calls this URL again."""
        if point.made.is_round_trip:  # of which there is an outage anyway
            return []
        calls: list[Made] = run.state.probe.calls.all if run.state is not None else []
        struck = next((place for place, made in enumerate(calls) if made.struck), None)
        if point.reach or point.fault in _ONCE or struck is None:
            return []
        url = plain(str(calls[struck].out.url))
        if all(plain(str(made.out.url)) != url for made in calls[struck + 1 :]):
            return []  # it would be the same run
        return [
            FaultPoint(
                sweep=self,
                number=point.number,
                made=point.made,
                fault=point.fault,
                reach="url",
                times=point.times,
            )
        ]

    def point(self, token: str, clean: Run) -> FaultPoint | None:
        """The point of this token."""
        for number, made in self.calls(clean):
            names = injected_faults.faults(self.asked.faults, made)
            for fault in {*names, *injected_faults.gone(self.asked.faults, made)}:
                for reach in REACHES:
                    point = self._point(clean, number, made, fault, reach)
                    if point.token == token:
                        return point
        return None

    def _point(
        self, clean: Run, number: int, made: Made, fault: str, reach: str = ""
    ) -> FaultPoint:
        times = [answer.duration for answer in clean.state.probe.answers.all]
        return FaultPoint(
            sweep=self, number=number, made=made, fault=fault, reach=reach, times=times
        )

    def calls(self, clean: Run) -> list[tuple[int, Made]]:
        """The calls of the clean run that are meant, each with its number."""
        from .._faults.connections import server_of
        from .._faults.rule import RequestPattern

        where = RequestPattern(self.asked.only)
        calls = clean.state.probe.calls.all
        server = server_of(self.asked.only)

        def is_meant(made: Made) -> bool:
            if made.is_round_trip and server is not None:
                return server.covers(made.out.request.place)
            return where.covers(made.out)

        return [(n, made) for n, made in enumerate(calls, 1) if is_meant(made)]

    def _sampled(self, clean: Run) -> list[tuple[int, Made, list[Made]]]:
        """Those to strike, each with all that are equal to it."""
        groups: dict[Any, list[tuple[int, Made]]] = defaultdict(list)
        for number, made in self.calls(clean):
            groups[made.id.kind].append((number, made))
        found = [
            (number, made, [each for _, each in group])
            for group in groups.values()
            for number, made in sampled(group)
        ]
        return sorted(found, key=lambda each: each[0])

    def _hosts(self, clean: Run) -> list[tuple[int, Made]]:
        """The first call of each host that more than one URL is called of."""
        urls: dict[str, list[tuple[int, Made]]] = defaultdict(list)
        for number, made in self.calls(clean):
            if not made.is_round_trip:
                urls[made.host].append((number, made))
        return [group[0] for group in urls.values() if len({made.id.kind for _, made in group}) > 1]

    def findings(self, clean: Run, done: Sequence[Result]) -> list[Finding]:
        """The bad points by what is wrong and where, and what is only listed."""
        calls = self.calls(clean)
        if not calls:
            before = clean.state.probe.calls.before
            nothing = fault_findings.nothing_to_sweep(
                self.test, self.asked.only, before, in_users_code(clean.state.user_code)
            )
            return [nothing] if self._required else []
        broken = clean.state.probe.broken
        if broken is not None:
            return [fault_findings.broken_before(self.test, broken)]
        left_out = sorted(
            {
                name
                for _, made in calls
                for name in injected_faults.left_out(self.asked.faults, made)
            }
        )
        return fault_findings.findings(self.test, done, left_out, required=self._required)

    def about(self, clean: Run) -> dict[str, Any]:
        """The rows and columns of the matrix."""
        rows = {
            str(number): {
                "call": made.label,
                "where": str(made.out.where or ""),
                "activity": made.out.activity,
            }
            for number, made in self.calls(clean)
        }
        answers = [f"{a.label} {a.status}" for a in clean.state.probe.answers.all]
        told: dict[str, Any] = {
            "rows": rows,
            "left_out": len(rows) - len(self._sampled(clean)),
            "columns": self._columns(clean),
            "clean": answers,
        }
        return told if rows else {**told, "nothing": self._why_nothing(clean)}

    def _columns(self, clean: Run) -> list[str]:
        """The faults that were asked for; where there is no HTTP call, those of round trips."""
        calls = [made for _, made in self.calls(clean)]
        if not calls or not all(made.is_round_trip for made in calls):
            return list(self.asked.faults)
        asked, met = self.asked.faults, set[str]()
        for made in calls:
            met |= {*injected_faults.faults(asked, made), *injected_faults.gone(asked, made)}
        return [name for name in asked if name in met]

    def _why_nothing(self, clean: Run) -> str:
        if clean.state.probe.calls.before:
            return "upstream calls are made before the test's body only"
        if self.asked.only != "*":
            return f"no call to {self.asked.only} was made"
        return fault_findings.no_call(in_users_code(clean.state.user_code))
