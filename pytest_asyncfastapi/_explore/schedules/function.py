"""`explore_schedules()`: one scenario under many schedules of the event loop.

Stops at the first schedule under which it fails, makes that schedule as small
as it can, and shows who ran when. This module must not know pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..._core.units import seconds
from ..marker_arguments import function
from .search import Asked, Explored, searched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


async def explore_schedules(
    scenario: Callable[[], Awaitable[Any]],
    *,
    seeds: int | Sequence[int] | Literal["all"] = 200,
    policy: str = "auto",
    start: int = 0,
    changes: int | None = None,
    budget: float | str = 0,
    invariant: Callable[[Any], Any] | None = None,
    replay: str = "",
    shrink: bool = True,
) -> Explored:
    """Run `scenario` under many schedules: it must hold whoever runs first.

    `scenario` is an async callable that makes everything afresh that it changes
    (app, database, client) and asserts what must hold; `invariant` (plain or
    async, optional) is called with what it returned, and must not return False.

    `seeds`: how many schedules, from seed `start` on, or which seeds. `policy`:
    `random` (any task that is ready may go next), `pct` (random priorities that
    change twice) or `auto` (half of each). The same seed gives the same order,
    the same draws of `random`, and the same delays of faults with distributions.
    `seeds="all"` runs every order with at most `changes` changes to the ordinary one
    instead (2 if nothing is said), those with the fewest first, all with the draws of seed 0.
    `budget` (seconds of real time, or `"30s"`; 0: any) ends the search with what is known by
    then, which the result says. `replay` runs one schedule by its token instead.

    The ordinary order comes first, and time is virtual. Raises `ScheduleFailure` at
    the first schedule under which the scenario or its invariant fails, deadlocks, or
    does not end; `ValueError` for arguments that make no sense; `RuntimeError` on
    trio and `ClockError` on uvloop, which choose their order themselves.
    """
    __tracebackhide__ = True
    function(scenario, "scenario", "schedule")
    if invariant is not None:
        function(invariant, "invariant", "schedule")
    asked = Asked(seeds, policy, start, changes, seconds(budget), replay, shrink)
    return await searched("explore_schedules", scenario, invariant, asked)
