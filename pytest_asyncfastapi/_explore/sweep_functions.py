"""`explore_faults()` and `explore_disconnects()`: the sweeps, for use inside one test.

The arguments are those of the markers; the engine is `inline_engine.py`'s. Must not know pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import marker_arguments
from .disconnect_sweep import DisconnectSweep
from .fault_sweep import FaultSweep
from .inline_engine import Within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .inline_engine import SweepReport


async def explore_faults(
    scenario: Callable[[], Awaitable[Any]],
    *,
    faults: str | Sequence[str] = tuple(marker_arguments.FAULTS),
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

    `scenario` is an async callable that sends requests by `asgi_client`:
    `lambda: asgi_client.post("/checkout")`. It must go well without a fault. What it
    raises in the other runs does not count (`assertions=True` makes its assertions do).
    All runs share the test's app and fixtures; `reset` (plain or async) is called before
    each and makes new what they change. The faults that the test has set begin again.

    The other arguments are those of `@pytest.mark.fault_sweep`: `faults` to try, `statuses`
    that may be answered beside the declared ones, `only` a URL glob of the calls to
    strike, `slow` the time of the slow answer (seconds, or `"2s"`), `masked="fail"`,
    `again=False`; `setup=True` strikes the calls that `reset` makes too. `invariant` (plain
    or async) must not raise or return False after any run; it is given the fixtures that it
    names. `replay` runs one point by its token.

    Raises `SweepFailure` with the matrix and the findings if anything is wrong;
    `check=False` returns the report in any case. Raises `ValueError` for arguments that
    make no sense, `RuntimeError` outside of a test with `asgi_client`, and what the
    scenario raises by itself. In a test that is swept itself (by a marker or flag) the
    scenario is run once.
    """
    __tracebackhide__ = True
    within = Within("explore_faults", scenario, reset, setup=setup)
    given = {
        "faults": faults,
        "statuses": statuses,
        "only": only,
        "slow": slow,
        "masked": masked,
        "again": again,
        "assertions": assertions,
        "setup": setup,
        "invariant": within.holds(invariant),
    }
    sweep = FaultSweep(marker_arguments.fault_sweep((), given), within.test, required=True)
    return _checked(await within.explore(sweep, replay), check)


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

    `modes` as for `@pytest.mark.disconnect_sweep`: the client goes (`"leave"`), the handler
    is cancelled once (`"cancel"`, not on trio) or at every await from then on
    (`"cancel_always"`). `setup=True` cuts the requests that `reset` sends too. All else is as
    for `explore_faults`.
    """
    __tracebackhide__ = True
    within = Within("explore_disconnects", scenario, reset, setup=setup)
    given = {
        "modes": modes,
        "again": again,
        "assertions": assertions,
        "setup": setup,
        "invariant": within.holds(invariant),
    }
    sweep = DisconnectSweep(
        marker_arguments.disconnect_sweep((), given), within.test, required=True
    )
    return _checked(await within.explore(sweep, replay), check)


def _checked(report: SweepReport, check: bool) -> SweepReport:
    __tracebackhide__ = True
    if check:
        report.assert_none()
    return report
