"""Who runs next: the orders in which the ready lanes of a loop may be served.

PCT (probabilistic concurrency testing, Burckhardt et al. 2010) gives lanes random
priorities and lowers the first one at a few random moments. This module must not know
loops or tasks: lanes are numbers.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# (decision, the lane that goes first from there on)
Changes = tuple[tuple[int, int], ...]
# What could run next at a decision, and what did.
Offer = tuple[tuple[int, ...], int]
DEPTH = 3  # of PCT: one priority order, and two moments at which it changes
# How unlike the paces of a random walk are: from 1 / 2 ** this to 2 ** this.
_SPREAD = 3.0
# A lane that has gone on alone for so long is polling for something: others go first.
_FAIR = 60
_PATIENT = 500  # the same for a favourite, which may have a long way to go


class Policy(Protocol):
    """Chooses a lane wherever two or more are ready."""

    def choose(self, options: Sequence[int], first: int) -> int:
        """One of `options` (ascending); `first` is the lane that has waited longest."""
        ...


class Fifo:
    """The ordinary order of asyncio, with a favourite that changes at some decisions.

    The favourite goes first as long as it is ready, so that one change is enough
    to let a task overtake all others; but not forever, as it may be polling.
    """

    def __init__(self, favourites: Mapping[int, int] | None = None) -> None:
        self._favourites = favourites or {}
        self._favourite = -1
        self._number = -1
        self._in_a_row = 0

    def choose(self, options: Sequence[int], first: int) -> int:
        """The favourite, or else the lane that has waited longest."""
        self._number += 1
        self._favourite = self._favourites.get(self._number, self._favourite)
        if self._favourite not in options or self._in_a_row >= _PATIENT:
            self._in_a_row = 0
            return first
        self._in_a_row += 1
        return self._favourite


class RandomWalk:
    """Any ready lane may be next; each has a pace of its own, drawn once a run.

    With the same chance for all, a task of ten steps would hardly ever be overtaken
    by another one of ten.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"random/{seed}")
        self._paces: dict[int, float] = {}

    def choose(self, options: Sequence[int], first: int) -> int:
        """Any, the quick ones more often."""
        paces = self._paces
        for lane in options:
            if lane not in paces:
                paces[lane] = 2.0 ** self._random.uniform(-_SPREAD, _SPREAD)
        left = self._random.random() * sum(paces[lane] for lane in options)
        for lane in options:
            left -= paces[lane]
            if left < 0:
                return lane
        return options[-1]


class Pct:
    """The lane of the highest priority; at `depth - 1` moments it becomes the lowest."""

    def __init__(self, seed: int, length: int, depth: int = DEPTH) -> None:
        self._random = random.Random(f"pct/{seed}")
        # Never twice the same moment, however short the run.
        self._moments = set(self._random.sample(range(max(length, depth)), depth - 1))
        self._priorities: dict[int, float] = {}
        self._number = -1
        self._lowest = 0.0
        self._last = -1
        self._in_a_row = 0

    def choose(self, options: Sequence[int], first: int) -> int:
        """The one of the highest priority."""
        self._number += 1
        for lane in options:
            if lane not in self._priorities:
                self._priorities[lane] = 1 + self._random.random()
        best = self._best(options)
        if self._number in self._moments or (best == self._last and self._in_a_row >= _FAIR):
            self._lowest -= 1
            self._priorities[best] = self._lowest
            best = self._best(options)
        self._in_a_row = self._in_a_row + 1 if best == self._last else 0
        self._last = best
        return best

    def _best(self, options: Sequence[int]) -> int:
        return max(options, key=self._priorities.__getitem__)
