"""`explore_faults()` and `explore_disconnects()`: the sweeps, for use inside one test.

The arguments are those of the markers; the engine is `inline_engine.py`'s. Must not know pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import marker_arguments
from .disconnect_sweep import DisconnectSweep
from .fault_sweep import FaultSweep
from .inline_engine import InlineEngine
from .swept_faults import swept_faults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .inline_engine import SweepReport


async def explore_faults(
    scenario: Callable[[], Awaitable[Any]],
    *,
    faults: str | Sequence[str] = tuple(swept_faults()),
    statuses: int | Sequence[int] = (),
    only: str = "*",
    slow: float | str = 30.0,
    masked: str = "list",
    again: bool = True,
    assertions: bool = False,
    setup: bool = False,
    invariant: Callable[..., Any] | None = None,
    reset: Callable[[], Any] | None = None,
    replay: str = "",
    check: bool = True,
) -> SweepReport:
    """Run `scenario` once for each upstream call and each fault that it may meet.

    All runs share the test's app and fixtures. The faults that the test has set begin again.
    In a test that is swept itself (by a marker or flag) the scenario is run once. The arguments
    are those of `@pytest.mark.fault_sweep`.

    Args:
        scenario: An async callable that sends requests by `asgi_client`. It must go well without
            a fault. What it raises in the other runs does not count, unless `assertions` is True.
        faults: The faults to try.
        statuses: Statuses that may be answered beside the declared ones.
        only: A URL glob of the calls to strike.
        slow: The time of the slow answer: seconds, or `"2s"`.
        masked: A success that is answered although the call failed is listed (`"list"`), or fails
            the sweep (`"fail"`).
        again: Send the requests once more after the fault, without it.
        assertions: Count the scenario's own assertions.
        setup: Strike the calls that `reset` makes too.
        invariant: Plain or async; it must not raise or return False after any run. It is given
            the fixtures that it names.
        reset: Plain or async; it is called before each run and makes new what they change.
        replay: Run one point instead, by its token.
        check: False returns the report in any case.

    Returns:
        The matrix of calls and faults, with the findings.

    Raises:
        SweepFailure: With the matrix and the findings, if anything is wrong.
        ValueError: For arguments that make no sense.
        RuntimeError: Outside of a test with `asgi_client`.
        Exception: What the scenario raises by itself.

    Example:
        ```python
        await explore_faults(lambda: asgi_client.post("/checkout"), only="https://pay.example/*")
        ```
    """
    __tracebackhide__ = True
    engine = InlineEngine("explore_faults", scenario, reset, setup=setup)
    given = {
        "faults": faults,
        "statuses": statuses,
        "only": only,
        "slow": slow,
        "masked": masked,
        "again": again,
        "assertions": assertions,
        "setup": setup,
        "invariant": engine.checked_invariant(invariant),
    }
    sweep = FaultSweep(marker_arguments.fault_sweep((), given), engine.test, required=True)
    return _checked(await engine.explore(sweep, replay), check)


async def explore_disconnects(
    scenario: Callable[[], Awaitable[Any]],
    *,
    modes: str | Sequence[str] = marker_arguments.MODES,
    again: bool = True,
    assertions: bool = False,
    setup: bool = False,
    invariant: Callable[..., Any] | None = None,
    reset: Callable[[], Any] | None = None,
    replay: str = "",
    check: bool = True,
) -> SweepReport:
    """Run `scenario` once for each `await` of the app at which its requests may be cut.

    What the runs share, and what happens in a test that is swept itself, is as for
    `explore_faults`.

    Args:
        scenario: As for `explore_faults`.
        modes: As for `@pytest.mark.disconnect_sweep`: the client goes (`"leave"`), the handler
            is cancelled once (`"cancel"`, not on trio) or at every await from then on
            (`"cancel_always"`).
        again: As for `explore_faults`.
        assertions: As for `explore_faults`.
        setup: Cut the requests that `reset` sends too.
        invariant: As for `explore_faults`.
        reset: As for `explore_faults`.
        replay: Run one point instead, by its token.
        check: False returns the report in any case.

    Returns:
        The points with what came of each, and the findings.

    Raises:
        SweepFailure: With the points and the findings, if anything is wrong.
        ValueError: For arguments that make no sense.
        RuntimeError: Outside of a test with `asgi_client`.
        Exception: What the scenario raises by itself.

    Example:
        ```python
        await explore_disconnects(lambda: asgi_client.post("/orders"), reset=empty_the_tables)
        ```
    """
    __tracebackhide__ = True
    engine = InlineEngine("explore_disconnects", scenario, reset, setup=setup)
    given = {
        "modes": modes,
        "again": again,
        "assertions": assertions,
        "setup": setup,
        "invariant": engine.checked_invariant(invariant),
    }
    sweep = DisconnectSweep(
        marker_arguments.disconnect_sweep((), given), engine.test, required=True
    )
    return _checked(await engine.explore(sweep, replay), check)


def _checked(report: SweepReport, check: bool) -> SweepReport:
    __tracebackhide__ = True
    if check:
        report.assert_none()
    return report
