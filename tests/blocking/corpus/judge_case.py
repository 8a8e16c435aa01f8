"""Runs a case under the guard, and compares what is reported with what the case declares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy
from pytest_asyncfastapi._core.frames import UserCode

from .resources import open_resources
from .run_case import run_case

if TYPE_CHECKING:
    from .case import Case

ROOT = Path(__file__).parents[3]
# A computation is reported from 50 ms on, so that the corpus need not compute for long.
STRICT = BlockingPolicy(profile="strict", step_threshold=0.05, cpu_threshold=0.05)
# On a busy machine anything can take 50 ms of CPU time: what waits is not judged by that.
WAITS = BlockingPolicy(profile="strict", step_threshold=0.05)
# Only by its calls, never by the length of a step.
CALLS = BlockingPolicy(profile="strict", step_threshold=60)


@dataclass(frozen=True)
class CaseResult:
    """What the guard reported of a case, and whether it is as expected."""

    case: Case
    reported: tuple[tuple[str, str, str, str], ...]  # path:line, category, activity, name
    status: int

    @property
    def found(self) -> bool:
        """Was it reported at all?"""
        return bool(self.reported)

    @property
    def at_marked_lines(self) -> bool:
        """Are these the marked lines, no others, and the right endpoint?"""
        path = Path(self.case.function.__code__.co_filename).relative_to(ROOT)
        lines = {f"{path}:{line}" for line in self.case.lines}
        return {where for where, *_ in self.reported} == lines and all(
            activity == self.case.at for _, _, activity, _ in self.reported
        )

    @property
    def in_category(self) -> bool:
        """Is each of these lines in its category?"""
        path = Path(self.case.function.__code__.co_filename).relative_to(ROOT)
        lines = {f"{path}:{line}": category for line, category in self.case.lines.items()}
        return all(lines.get(where) == category for where, category, *_ in self.reported)

    @property
    def as_expected(self) -> bool:
        """Is all of it as declared? Nothing is, for a harmless case."""
        return (self.found and self.at_marked_lines and self.in_category) == bool(
            self.case.category
        ) and (bool(self.case.category) or not self.found)

    def __str__(self) -> str:
        reported = "".join(f"\n    said {' | '.join(line)}" for line in self.reported)
        want = f"lines {self.case.lines} in {self.case.at}" if self.case.category else "nothing"
        return f"{self.case.name}: {want}; status {self.status}{reported}"


def judge_case(
    case: Case, backend: str = "asyncio", policy: BlockingPolicy | None = None
) -> CaseResult:
    """Run the case under its own guard."""
    policy = policy or (STRICT if case.category in ("", "cpu", "unknown") else WAITS)
    guard = BlockingGuard(policy, UserCode(ROOT), test=case.name)
    if not case.category:
        # The first run imports and reads more.
        with open_resources(*case.resources) as resources:
            run_case(case, resources, backend)
    with open_resources(*case.resources) as resources, guard:
        assert guard.not_watched == ""
        status = run_case(case, resources, backend)
    assert guard.not_watched == ""
    reported = tuple(
        (str(f.where), str(f.data["category"]), f.activity, f.title) for f in guard.findings()
    )
    return CaseResult(case, reported, status)
