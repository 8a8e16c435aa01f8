"""The arguments of the sweeps' markers, parsed and validated.

Raises `ValueError` with one sentence; the caller adds where the marker is.
"""

from __future__ import annotations

import difflib
import inspect
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from .._core.units import seconds
from .swept_faults import swept_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# Arguments of an invariant beside fixtures: the app's answers, the upstream calls, the point.
INVARIANT_ARGUMENTS = ("answers", "exchanges", "point")
MODES = ("leave", "cancel", "cancel_always")
# What an endpoint may answer for its upstream's fault without having declared it.
GATEWAY = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class FaultSweepOptions:
    """`@pytest.mark.fault_sweep(...)`.

    `invariant` is a function (async or not) of the test's fixtures that raises where
    something is wrong after a faulted run. `assertions` holds the test's own assertions
    too. `statuses` may be answered beside what the endpoint declares. `faults` are the
    kinds to try, `only` a URL glob of the calls to strike, `slow` the seconds of the slow
    one. `masked` is `"list"` or `"fail"`. `again` sends a request without side effects
    once more, to see whether a failure has been cached. `setup` strikes the calls of
    fixtures and of the app's start-up too.
    """

    invariant: Callable[..., Any] | None = None
    assertions: bool = False
    statuses: tuple[int, ...] = GATEWAY
    faults: tuple[str, ...] = field(default_factory=lambda: tuple(swept_faults()))
    only: str = "*"
    masked: str = "list"
    again: bool = True
    setup: bool = False
    slow: float = 30.0


@dataclass(frozen=True, slots=True)
class DisconnectSweepOptions:
    """`@pytest.mark.disconnect_sweep(...)`.

    `modes`: the client goes (`"leave"`: the app gets the disconnect, and is cancelled after a grace
    period), the handler is cancelled once (`"cancel"`) or at every await from then on
    (`"cancel_always"`). `again` sends the request once more, to see that it is still
    served. `setup` cuts the requests of the fixtures before the body too. `invariant` as
    for the fault sweep.
    """

    invariant: Callable[..., Any] | None = None
    assertions: bool = False
    modes: tuple[str, ...] = MODES
    again: bool = True
    setup: bool = False


@dataclass(frozen=True, slots=True)
class SchedulesOptions:
    """`@pytest.mark.schedules(...)`.

    `seeds` is how many orders to try, from seed `start` on; `policy` is `"random"`
    (any task that is ready may go next), `"pct"` (random priorities that change
    twice) or `"auto"` (half of each). `"all"` in place of a number: every order with at most
    `changes` changes to the ordinary one.
    """

    seeds: int | str = 100
    policy: str = "auto"
    start: int = 0
    changes: int | None = None


def fault_sweep(args: tuple[Any, ...], given: dict[str, Any]) -> FaultSweepOptions:
    """Read the arguments of the marker."""
    _check_names(FaultSweepOptions, "fault_sweep", args, given)
    if "faults" in given:
        given["faults"] = _words(given["faults"], "faults", tuple(swept_faults()))
    if "statuses" in given:
        given["statuses"] = (*GATEWAY, *_statuses(given["statuses"]))
    if "slow" in given:
        given["slow"] = seconds(given["slow"])
    if given.get("masked", "list") not in ("list", "fail"):
        raise ValueError(f"masked={given['masked']!r} must be one of list, fail")
    if not isinstance(given.get("only", "*"), str):
        raise ValueError(
            f"only={given['only']!r} must be a URL glob, such as 'https://pay.example/*'"
        )
    _invariant(given)
    return FaultSweepOptions(**given)


def disconnect_sweep(args: tuple[Any, ...], given: dict[str, Any]) -> DisconnectSweepOptions:
    """Read the arguments of the marker."""
    _check_names(DisconnectSweepOptions, "disconnect_sweep", args, given)
    if "modes" in given:
        given["modes"] = _words(given["modes"], "modes", MODES)
    _invariant(given)
    return DisconnectSweepOptions(**given)


def schedules(args: tuple[Any, ...], given: dict[str, Any]) -> SchedulesOptions:
    """Read the arguments of the marker; the first may be given by position."""
    from .schedules.every_order import ALL, most_changes
    from .schedules.token import schedules as planned

    if args:
        given, args = {"seeds": args[0], **given}, args[1:]
    _check_names(SchedulesOptions, "schedules", args, given)
    found = SchedulesOptions(**given)
    if isinstance(found.start, bool) or not isinstance(found.start, int) or found.start < 0:
        raise ValueError(f"start={found.start!r} must be a whole number, 0 or more")
    most = most_changes(found.seeds, found.policy, found.start, found.changes)
    if found.seeds == ALL:
        return replace(found, changes=most)
    if not isinstance(found.seeds, int):
        raise ValueError(f'seeds={found.seeds!r} must be a whole number, 1 or more, or "all"')
    planned(found.seeds, found.policy, found.start)
    return found


_TOKENS: dict[str, tuple[re.Pattern[str], str, Callable[[], Collection[str]]]] = {
    "faults": (
        re.compile(r"\d+(?:\+(?:host|equal)?)?:(?P<word>\w+)"),
        "faults:3:reset",
        swept_faults,
    ),
    "disconnect": (re.compile(r"\d+\.\d+:(?P<word>\w+)"), "disconnect:1.7:leave", lambda: MODES),
}


def check_token(token: str) -> None:
    """See that it may name a point: `"faults:3:reset"`. Raises `ValueError`."""
    from .schedules.token import parse

    kind, _, rest = token.partition(":")
    if kind == "schedules":
        parse(rest)
        return
    if kind not in _TOKENS:
        raise ValueError(
            f"{token!r} is not a token of a report, such as faults:3:reset, disconnect:1.7:leave "
            "or schedules:random-4"
        )
    form, example, known = _TOKENS[kind]
    match = form.fullmatch(rest)
    if match is None:
        raise ValueError(f"{token!r} is not a token of a report, such as {example}")
    words = known()
    if match["word"] not in words:
        raise ValueError(f"{token!r}: {match['word']!r} must be one of {', '.join(words)}")


def require_function(given: Any, name: str, each: str) -> None:
    """See that `given` can be called again and again. Raises `ValueError`."""
    if callable(given):
        return
    what = repr(given)
    if inspect.iscoroutine(given):
        what = "a coroutine: leave out the ()"
        given.close()
    raise ValueError(
        f"{name} must be a function that can be called once for every {each}; got {what}"
    )


def _check_names(
    options: type[Any], name: str, args: tuple[Any, ...], given: dict[str, Any]
) -> None:
    if args:
        raise ValueError(f"{name} takes keywords only, such as invariant=...; got {args[0]!r}")
    names = [item.name for item in fields(options)]
    for word in given:
        if word not in names:
            near = difflib.get_close_matches(word, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"{name} has no argument {word!r}; {hint}It takes: {', '.join(names)}")


def _words(value: Any, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    words = (value,) if isinstance(value, (str, int)) else tuple(value)
    found = tuple(str(word) for word in words)
    for word in found:
        if word not in known:
            raise ValueError(f"{name}={word!r} must be one of {', '.join(known)}")
    if not found:
        raise ValueError(f"{name} is empty: there would be nothing to run")
    return found


def _statuses(value: Any) -> tuple[int, ...]:
    found = (value,) if isinstance(value, int) else tuple(value)
    for status in found:
        if not isinstance(status, int) or not 100 <= status <= 599:
            raise ValueError(f"statuses={status!r} must be HTTP statuses, such as 503")
    return found


def _invariant(given: dict[str, Any]) -> None:
    check = given.get("invariant")
    if check is not None and not callable(check):
        raise ValueError(f"invariant={check!r} must be a function")
