"""Plays a case under the guard, and compares what it says with what the case declares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_asyncfastapi._blocking import BlockingGuard, BlockingPolicy
from pytest_asyncfastapi._core.frames import UserCode

from .play import play
from .world import world

if TYPE_CHECKING:
    from .case import Case

ROOT = Path(__file__).parents[3]
# A computation counts from 50 ms on here, so that the corpus need not compute for long.
STRICT = BlockingPolicy(profile="strict", step_threshold=0.05, cpu_threshold=0.05)
# On a busy machine anything can take 50 ms of a processor: what waits is not judged by that.
WAITS = BlockingPolicy(profile="strict", step_threshold=0.05)
# By its calls alone, and never by the length of a step.
CALLS = BlockingPolicy(profile="strict", step_threshold=60)


@dataclass(frozen=True)
class Verdict:
    """What the guard said of a case, and whether it was right."""

    case: Case
    said: tuple[tuple[str, str, str, str], ...]  # path:line, category, activity, name
    status: int

    @property
    def found(self) -> bool:
        """Was it reported at all?"""
        return bool(self.said)

    @property
    def placed(self) -> bool:
        """Is it each marked line of the user's, no other line, and the right endpoint?"""
        path = Path(self.case.function.__code__.co_filename).relative_to(ROOT)
        lines = {f"{path}:{line}" for line in self.case.lines}
        return {where for where, *_ in self.said} == lines and all(
            activity == self.case.at for _, _, activity, _ in self.said
        )

    @property
    def named(self) -> bool:
        """Is each of these lines in its category?"""
        path = Path(self.case.function.__code__.co_filename).relative_to(ROOT)
        lines = {f"{path}:{line}": category for line, category in self.case.lines.items()}
        return all(lines.get(where) == category for where, category, *_ in self.said)

    @property
    def right(self) -> bool:
        """All of it; of a harmless case, that nothing was said."""
        return (self.found and self.placed and self.named) == bool(self.case.category) and (
            bool(self.case.category) or not self.found
        )

    def __str__(self) -> str:
        said = "".join(f"\n    said {' | '.join(line)}" for line in self.said)
        want = f"lines {self.case.lines} in {self.case.at}" if self.case.category else "nothing"
        return f"{self.case.name}: {want}; status {self.status}{said}"


def watched(case: Case, backend: str = "asyncio", policy: BlockingPolicy | None = None) -> Verdict:
    """Play the case under a guard of its own."""
    policy = policy or (STRICT if case.category in ("", "cpu", "unknown") else WAITS)
    guard = BlockingGuard(policy, UserCode(ROOT), test=case.name)
    if not case.category:
        # What it imports and reads the first time is not what it is about.
        with world(*case.things) as things:
            play(case, things, backend)
    with world(*case.things) as things, guard:
        assert guard.not_watched == ""
        status = play(case, things, backend)
    assert guard.not_watched == ""
    said = tuple(
        (str(f.where), str(f.data["category"]), f.activity, f.title) for f in guard.findings()
    )
    return Verdict(case, said, status)
