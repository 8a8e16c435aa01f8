"""The smallest schedule that still fails: the fewest changes to the ordinary order.

Delta debugging over the places where the failing run began to favour another
lane. Every attempt is a real run. Must not know what runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .policies import Schedule

if TYPE_CHECKING:
    from .policies import Changes
    from .run import Outcome, Runner

_ATTEMPTS = 150


async def minimise(runner: Runner, found: Outcome) -> Schedule:
    """The smallest schedule that fails; the one that was found if nothing smaller does."""
    search = _Search(runner, found.schedule.seed)
    best = found.changes
    if not await search.fails(best):
        return found.schedule
    best = await search.shortest_start(best)
    chunk = max(len(best) // 2, 1)
    while best and search.left > 0:
        smaller = await search.without_a_chunk(best, chunk)
        if smaller is not None:
            best = smaller
            chunk = min(chunk, max(len(best) // 2, 1))
        elif chunk == 1:
            break
        else:
            chunk = max(chunk // 2, 1)
    return Schedule("fifo", found.schedule.seed, 0, best)


class _Search:
    def __init__(self, runner: Runner, seed: int) -> None:
        self._runner = runner
        self._seed = seed
        self.left = _ATTEMPTS

    async def fails(self, changes: Changes) -> bool:
        """Does it fail with these only?"""
        self.left -= 1
        outcome = await self._runner.run(Schedule("fifo", self._seed, 0, changes))
        return outcome.failed

    async def shortest_start(self, changes: Changes) -> Changes:
        """After the race is lost, what follows does not matter: halve from the end."""
        low, high = 0, len(changes)
        while low < high and self.left > 0:
            middle = (low + high) // 2
            if await self.fails(changes[:middle]):
                high = middle
            else:
                low = middle + 1
        return changes[:high]

    async def without_a_chunk(self, changes: Changes, chunk: int) -> Changes | None:
        """These without `chunk` of them in a row, if that still fails; the last ones first."""
        for end in range(len(changes), 0, -chunk):
            if self.left <= 0:
                return None
            smaller = changes[: max(end - chunk, 0)] + changes[end:]
            if await self.fails(smaller):
                return smaller
        return None
