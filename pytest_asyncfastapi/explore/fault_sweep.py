"""The fault sweep: each upstream call of a test, struck by each fault, one at a time.

The clean run records the calls; then there is one run for the k-th call with one
fault. After SQLite's anomaly tests, which fail the first, second ... n-th operation
until a run completes. Asks the faults room by its grammar; does not know pytest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import fault_findings
from .asked import FAULTS
from .fault_verdict import judge
from .probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..findings import Finding
    from .answers import Answer
    from .asked import FaultSweepAsked
    from .points import Result, Run

KIND = "faults"
_NEVER = 1_000_000  # a call with this number is not made


@dataclass(eq=False)
class FaultPoint:
    """The `call`-th upstream call (from 1) gets the fault of this name."""

    sweep: FaultSweep
    call: int
    fault: str
    rule: Any = field(default=None, repr=False)
    hits: int = 0

    @property
    def token(self) -> str:
        """`"faults:3:reset"`."""
        return f"{KIND}:{self.call}:{self.fault}"

    def prepare(self, state: Any) -> None:
        """Place the fault and the probe."""
        asked = self.sweep.asked
        self.rule = _place(state, FAULTS[self.fault].format(slow=asked.slow), self.call)
        state.probe = Probe(state, invariant=asked.invariant, again=self._asks_again)

    def _asks_again(self, answer: Answer) -> bool:
        return self.sweep.asked.again and answer.is_safe

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

    def prepare(self, state: Any) -> None:
        """Record the clean run."""
        _place(state, "refused", _NEVER)
        state.probe = Probe(state, invariant=self.asked.invariant)

    def control(self) -> Callable[[Any], None] | None:
        """The same requests once more, without a fault before."""
        return self._control if self.asked.again else None

    def _control(self, state: Any) -> None:
        _place(state, "refused", _NEVER)
        state.probe = Probe(
            state, invariant=self.asked.invariant, again=lambda answer: answer.is_safe
        )

    def points(self, clean: Run, done: Sequence[Result]) -> list[FaultPoint]:
        """Every call with every fault."""
        return [
            FaultPoint(self, number, fault)
            for number in self._calls(clean)
            for fault in self.asked.faults
        ]

    def point(self, token: str, clean: Run) -> FaultPoint | None:
        """The point of this token."""
        return next((p for p in self.points(clean, ()) if p.token == token), None)

    def _calls(self, clean: Run) -> list[int]:
        from ..faults.rule import Where

        where = Where(self.asked.only)
        calls = clean.state.probe.calls
        return [number for number, call in enumerate(calls, 1) if where.covers(call)]

    def findings(self, clean: Run, done: Sequence[Result]) -> list[Finding]:
        """The bad points by what is wrong and where, and the masked faults."""
        if self._required and not self._calls(clean):
            return [fault_findings.nothing_to_sweep(self.test, self.asked.only)]
        broken = clean.state.probe.broken
        if broken is not None:
            return [fault_findings.broken_before(self.test, broken)]
        return fault_findings.findings(self.test, clean.state.probe.calls, done)

    def about(self, clean: Run) -> dict[str, Any]:
        """The rows and columns of the matrix."""
        calls = clean.state.probe.calls
        rows = {
            str(number): {
                "call": f"{calls[number - 1].method} {calls[number - 1].url}",
                "where": str(calls[number - 1].where or ""),
                "activity": calls[number - 1].activity,
            }
            for number in self._calls(clean)
        }
        answers = [f"{a.label} {a.status}" for a in clean.state.probe.answers.all]
        return {"rows": rows, "columns": list(self.asked.faults), "clean": answers}


def _place(state: Any, words: str, call: int) -> Any:
    """A fault on the `call`-th call of all; with virtual time, where it can be had."""
    rule = state.faults.add_spec(f"*: {words}, nth={call}", optional=True, origin="the sweep")
    state.want_clock()
    return rule
