"""The smallest schedule that still fails: the fewest changes to the ordinary order.

Delta debugging over the changes of the failing run. Whoever iterates runs each schedule, so this
module does not know how that is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .token import Schedule

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from .policies import Changes

_ATTEMPTS = 150


class Shrink:
    """Gives the schedules to run; `failed` has to be set after each. Then `smallest` is known.

    `changes` are those to the ordinary order that were in the run of `schedule`, which is the
    result where nothing smaller fails.
    """

    def __init__(self, schedule: Schedule, changes: Changes) -> None:
        self.smallest = schedule
        self.failed = False
        self._changes = changes
        self._left = _ATTEMPTS

    def __iter__(self) -> Iterator[Schedule]:
        if not (yield from self._fails(self._changes)):
            return
        best = yield from self._shortest_start(self._changes)
        chunk = max(len(best) // 2, 1)
        while best and self._left > 0:
            smaller = yield from self._without_a_chunk(best, chunk)
            if smaller is not None:
                best = smaller
                chunk = min(chunk, max(len(best) // 2, 1))
            elif chunk == 1:
                break
            else:
                chunk = max(chunk // 2, 1)
        self.smallest = self._schedule(best)

    def _schedule(self, changes: Changes) -> Schedule:
        return Schedule("fifo", self.smallest.seed, changes=changes)

    def _fails(self, changes: Changes) -> Generator[Schedule, None, bool]:
        """Does it fail with these only?"""
        self._left -= 1
        yield self._schedule(changes)
        return self.failed

    def _shortest_start(self, changes: Changes) -> Generator[Schedule, None, Changes]:
        """After the race is lost, what follows does not matter: halve from the end."""
        low, high = 0, len(changes)
        while low < high and self._left > 0:
            middle = (low + high) // 2
            if (yield from self._fails(changes[:middle])):
                high = middle
            else:
                low = middle + 1
        return changes[:high]

    def _without_a_chunk(
        self, changes: Changes, chunk: int
    ) -> Generator[Schedule, None, Changes | None]:
        """These without `chunk` of them in a row, if that still fails; the last ones first."""
        for end in range(len(changes), 0, -chunk):
            if self._left <= 0:
                return None
            smaller = changes[: max(end - chunk, 0)] + changes[end:]
            if (yield from self._fails(smaller)):
                return smaller
        return None

    def __repr__(self) -> str:
        return f"<Shrink to {self.smallest}, {self._left} attempts left>"
