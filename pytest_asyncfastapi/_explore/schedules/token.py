"""A schedule and its token: `random-17`, `pct-17x40` or `fifo@12:3@40:1`.

Reports show the token, and the schedule is built again from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .policies import Changes, Fifo, Pct, RandomWalk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .policies import Policy

POLICIES = ("auto", "random", "pct")
_FORMS = (
    "random-17, pct-17x40 (the run has about 40 decisions) or fifo@12:3 (from decision 12 on "
    "lane 3 goes first)"
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A policy and its seed, or the changes to the ordinary order (see `Fifo`).

    `length`: how many decisions a run has, about; PCT draws its moments among them.
    """

    kind: str
    seed: int = 0
    length: int = 0
    changes: Changes = ()

    def policy(self) -> Policy:
        """A fresh one, from its beginning."""
        if self.kind == "random":
            return RandomWalk(self.seed)
        return Pct(self.seed, self.length) if self.kind == "pct" else Fifo(dict(self.changes))

    def __str__(self) -> str:
        """Its token."""
        text = self.kind if self.kind == "fifo" and not self.seed else f"{self.kind}-{self.seed}"
        if self.kind == "pct":
            text += f"x{self.length}"
        return text + "".join(f"@{number}:{lane}" for number, lane in self.changes)


_TOKEN = re.compile(r"(?:random-(\d+)|pct-(\d+)x(\d+)|fifo(?:-(\d+))?((?:@\d+:\d+)*))")


def parse(token: str) -> Schedule:
    """A schedule from its token. Raises `ValueError` with one sentence."""
    found = _TOKEN.fullmatch(token.strip())
    if found is None:
        raise ValueError(f"{token!r} is not a schedule; write {_FORMS}")
    walk, pct, length, fifo, tail = found.groups()
    if walk:
        return Schedule("random", int(walk))
    if pct:
        return Schedule("pct", int(pct), int(length))
    pairs = (pair.split(":") for pair in tail.split("@")[1:])
    return Schedule("fifo", int(fifo or 0), 0, tuple((int(n), int(lane)) for n, lane in pairs))


def schedules(
    seeds: int | Sequence[int], policy: str = "auto", start: int = 0, length: int = 0
) -> list[Schedule]:
    """The schedules for so many seeds from `start` on, or for these very ones.

    `auto` is a random walk for the first half and PCT for the second: each finds
    what the other seldom does. `length` is the number of decisions of the ordinary run.
    Raises `ValueError` with one sentence.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy={policy!r} must be one of {', '.join(POLICIES)}")
    if isinstance(seeds, int):
        if isinstance(seeds, bool) or seeds < 1:
            raise ValueError(f'seeds={seeds!r} must be a whole number, 1 or more, or "all"')
        seeds = range(start, start + seeds)
    half = (len(seeds) + 1) // 2
    made = []
    for place, seed in enumerate(seeds):
        kind = policy if policy != "auto" else "random" if place < half else "pct"
        made.append(Schedule(kind, seed, length if kind == "pct" else 0))
    return made
