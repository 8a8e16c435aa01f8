"""`explore_schedules()`: one scenario under many schedules of the event loop.

Stops at the first schedule under which it fails, shrinks that schedule, and shows the
interleaving. Must not import pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..._core.units import seconds
from ..marker_arguments import require_function
from .search import Explored, SearchOptions, search_schedules

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

    The ordinary order comes first, and time is virtual. The same seed gives the same order,
    the same draws of `random`, and the same delays of faults with distributions.

    Args:
        scenario: An async callable that makes everything afresh that it changes (app, database,
            client) and asserts what must hold.
        seeds: How many schedules, or which seeds. `"all"` runs every order with at most `changes`
            changes to the ordinary one instead, those with the fewest first, all with the draws
            of seed 0.
        policy: `"random"` (any task that is ready may go next), `"pct"` (random priorities that
            change twice) or `"auto"` (half of each).
        start: The first seed, where `seeds` is a number.
        changes: The most changes to the ordinary order, with `seeds="all"`; None: 2.
        budget: Seconds of real time, or `"30s"`; 0: any. The search ends then with what is known,
            which the result says.
        invariant: Plain or async; it is called with what the scenario returned, and must not
            return False.
        replay: Run one schedule instead, by its token.
        shrink: Look for a shorter schedule that fails too.

    Returns:
        How many schedules were run, how many of them differed, and notes.

    Raises:
        ScheduleFailure: At the first schedule under which the scenario or its invariant fails,
            deadlocks, or does not end.
        ValueError: For arguments that make no sense.
        RuntimeError: On trio, which chooses its order itself.
        ClockError: On uvloop, which chooses its order itself.

    Example:
        ```python
        async def two_buyers():
            async with open_app(make_app()) as client:
                await asyncio.gather(client.post("/buy"), client.post("/buy"))
                assert (await client.get("/stock")).json() >= 0

        await explore_schedules(two_buyers, seeds=100)
        ```
    """
    __tracebackhide__ = True
    require_function(scenario, "scenario", "schedule")
    if invariant is not None:
        require_function(invariant, "invariant", "schedule")
    options = SearchOptions(
        seeds=seeds,
        policy=policy,
        start=start,
        changes=changes,
        limit=seconds(budget),
        replay=replay,
        shrink=shrink,
    )
    return await search_schedules("explore_schedules", scenario, invariant, options)
