"""Connects exploring to pytest: which tests are explored, how, and where the verdict goes.

The markers and options say what is wanted; `explore/` does it, before pytest reports the
test's own run (the first, clean one), with the verdict. A new way to explore is one more row
of `_EXPLORATIONS`: a function of the test and the settings that gives an `Exploration`, or
None where the test is not meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from .._core.signatures import signature
from . import claims
from .feature import STATE, marker_names
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.fixtures import FuncFixtureInfo
    from _pytest.python import CallSpec2

    from .._explore.model import Exploration, ExplorationResult, RunState
    from .._explore.own_run import OwnRun
    from .chosen import Settings
    from .explored_test import ExploredTest
    from .state import TestState

EXPLORED = pytest.StashKey["list[ExplorationResult]"]()
OWN = pytest.StashKey["OwnRun"]()  # what pytest is to report as the test's run
INTERRUPTED = pytest.StashKey["list[ExplorationResult]"]()  # broken off: no report shows them
_ENABLED = pytest.StashKey[bool]()  # this test may have some of the others
_PREPARE = pytest.StashKey["Callable[[RunState], None] | None"]()
_REFUSED = pytest.StashKey[str]()
_Asked = TypeVar("_Asked")
_SHARE = "asyncfastapi_share"
_TOGETHER = "together"


def _faults(item: pytest.Item, settings: Settings) -> Exploration | None:
    from .._explore.marker_arguments import fault_sweep

    asked = _options_for(item, settings, "faults", "fault_sweep", fault_sweep)
    if asked is None:
        return None
    from .._explore.fault_sweep import FaultSweep

    return FaultSweep(asked, item.nodeid, required=_marked(item, "fault_sweep"))


def _disconnect(item: pytest.Item, settings: Settings) -> Exploration | None:
    from .._explore.marker_arguments import disconnect_sweep

    asked = _options_for(item, settings, "disconnect", "disconnect_sweep", disconnect_sweep)
    if asked is None:
        return None
    from .._explore.disconnect_sweep import DisconnectSweep

    return DisconnectSweep(asked, item.nodeid, required=_marked(item, "disconnect_sweep"))


def _schedules(item: pytest.Item, settings: Settings) -> Exploration | None:
    from .._explore.marker_arguments import schedules

    asked = _options_for(item, settings, "schedules", "schedules", schedules)
    if asked is None:
        return None
    if _has_together(item):
        from .._explore.schedules.together_sweep import TogetherSweep

        return TogetherSweep(asked, item.nodeid)
    from .._explore.schedules.sweep import ScheduleSweep

    return ScheduleSweep(asked, item.nodeid, required=_marked(item, "schedules"))


# Every way to explore: what its tokens begin with, the marker, and what makes it.
_EXPLORATIONS: dict[str, tuple[str, Callable[[pytest.Item, Settings], Exploration | None]]] = {
    "faults": ("fault_sweep", _faults),
    "disconnect": ("disconnect_sweep", _disconnect),
    "schedules": ("schedules", _schedules),
}


_MARKERS = frozenset(marker for marker, _ in _EXPLORATIONS.values())


def _marked(item: pytest.Item, marker: str) -> bool:
    return item.get_closest_marker(marker) is not None


def _has_together(item: pytest.Item) -> bool:
    """Does the test use our fixture `together`, not one of that name of its own?"""
    if _TOGETHER not in getattr(item, "fixturenames", ()):
        return False
    info: FuncFixtureInfo = getattr(item, "_fixtureinfo")  # noqa: B009 - not of every item
    definitions = info.name2fixturedefs.get(_TOGETHER, ())
    return bool(definitions) and definitions[-1].func.__module__.startswith(f"{__package__}.")


def _options_for(
    item: pytest.Item,
    settings: Settings,
    kind: str,
    marker: str,
    read: Callable[[tuple[Any, ...], dict[str, Any]], _Asked],
) -> _Asked | None:
    """What a sweep of this kind is to do in this test, as `read` from its marker.

    None where it is not meant.
    """
    mark = item.get_closest_marker(marker)
    together = kind == "schedules" and _has_together(item)
    if mark is None and not (together or _by_flag(settings, kind)):
        return None
    if why := _unsupported_reason(item, kind):
        if mark is None:
            return None
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.{marker}: {why}")
    args, given = ((), {}) if mark is None else (mark.args, dict(mark.kwargs))
    if kind == "schedules" and mark is None and settings.schedules:
        given = {"seeds": settings.schedules}
    elif together and mark is None:
        given = {"seeds": "all", "changes": 1}
    try:
        found = read(args, given)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.{marker}: {error}") from None
    _check_invariant(item, marker, getattr(found, "invariant", None))
    return found


def _by_flag(settings: Settings, kind: str) -> bool:
    by_number = kind == "schedules" and settings.schedules > 0
    return by_number or kind in (settings.sweep, settings.replay.partition(":")[0])


def _unsupported_reason(item: pytest.Item, kind: str) -> str:
    if not claims.is_async_test(item):
        return "a sweep needs an `async def` test"
    names = getattr(item, "fixturenames", ())
    if kind != "schedules" and "asgi_client" not in names:
        return "a sweep watches the requests of `asgi_client`, and this test does not use it"
    if "subtests" in names:
        return "pytest reports subtests as they run, so a test with `subtests` cannot be run again"
    if hasattr(getattr(item, "obj", None), "hypothesis"):
        return "hypothesis runs this body many times; give the sweep a test with one example"
    return ""


def _check_invariant(item: pytest.Item, marker: str, check: Callable[..., Any] | None) -> None:
    from .._explore.marker_arguments import INVARIANT_ARGUMENTS

    names = (*getattr(item, "fixturenames", ()), *INVARIANT_ARGUMENTS)
    for name in signature(check).parameters if check is not None else ():
        if name not in names:
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.{marker}: the invariant asks for the fixture "
                f"{name!r}, which this test does not have. Fix: add "
                f"@pytest.mark.usefixtures({name!r})."
            )


# The hooks


def is_enabled(item: pytest.Item, settings: Settings) -> bool:
    """May there be anything to explore? Called for every test, so without any import."""
    if settings.sweep != "off" or settings.replay or settings.schedules:
        return True
    return not _MARKERS.isdisjoint(marker_names(item)) or _has_together(item)


def explore(item: pytest.Item) -> None:
    """Run the clean run of this test, and its points."""
    settings = item.config.stash[SETTINGS]
    if not is_enabled(item, settings) or item.config.getoption("setuponly", False):
        return
    item.stash[_ENABLED] = True
    try:
        ways = _explorations_for(item, settings)
    except pytest.UsageError as error:
        item.stash[_REFUSED] = str(error)
        return
    runs = [_explore(item, settings, exploration) for exploration in ways]
    first = next((run for run in runs if run is not None), None)
    if first is not None and _can_be_reported(first, item, settings):
        item.stash[OWN] = first


def _explorations_for(item: pytest.Item, settings: Settings) -> list[Exploration]:
    kind = settings.replay.partition(":")[0]
    made = [make(item, settings) for name, (_, make) in _EXPLORATIONS.items() if kind in ("", name)]
    return [way for way in made if way is not None]


def _explore(item: pytest.Item, settings: Settings, exploration: Exploration) -> OwnRun | None:
    """Explore in one way; returns the clean run."""
    from .._explore.engine import Engine
    from .._explore.model import ExplorationResult
    from .._report.progress import Progress

    share = _share(item, settings)
    name = "" if share[1] == 1 else f"{share[0]}/{share[1]}"
    explored = ExplorationResult(
        exploration.kind, item.nodeid, shard=name, budget=settings.sweep_budget
    )
    item.stash.setdefault(EXPLORED, []).append(explored)
    progress = Progress(item.config)

    def prepare(wanted: Callable[[RunState], None] | None) -> None:
        item.stash[_PREPARE] = wanted

    def state_of(item: pytest.Item) -> ExploredTest | None:
        state = item.stash.get(STATE, None)
        return None if state is None else state.explored_test

    engine = Engine(
        item,
        exploration,
        explored,
        share=share,
        replay=settings.replay,
        state_of=state_of,
        prepare=prepare,
        on_progress=progress.tell,
    )
    try:
        engine.explore()
    except BaseException:
        item.config.stash.setdefault(INTERRUPTED, []).append(explored)
        raise
    finally:
        progress.end(explored)
    return engine.own


def _can_be_reported(own: OwnRun, item: pytest.Item, settings: Settings) -> bool:
    """Is the clean run the test's own?

    A debugger, the end of a wider app, and a body that explores need one more, a live one.
    """
    if own.run.state is None or own.run.state.inline_exploration.postponed:
        return False
    return settings.app_scope == "function" and not item.config.getoption("usepdb", False)


def own_run(item: pytest.Item) -> OwnRun | None:
    """What pytest is to report instead of one more run."""
    stash = item.stash
    if OWN not in stash:  # in half the time that `get()` needs to say so
        return None
    return stash[OWN]


def begin_own_run(item: pytest.Item) -> TestState:
    """Let pytest's phases of this item end as those of the clean run did; returns its state."""
    from .explored_test import ExploredTest
    from .state import TestState

    own = item.stash[OWN]
    own.begin(item)
    explored = own.run.state
    assert isinstance(explored, ExploredTest)
    state = explored.context
    assert isinstance(state, TestState)
    state.repeat()
    state.explore.explored = item.stash[EXPLORED]
    return state


def forget_own_run(item: pytest.Item) -> None:
    """It has been reported: the next run of this item (after a failure, say) is a real one."""
    if OWN in item.stash:
        item.stash[OWN].restore(item)
        del item.stash[OWN]


def forget(item: pytest.Item) -> None:
    """The test is over."""
    if _ENABLED not in item.stash:
        return
    forget_own_run(item)
    if EXPLORED in item.stash:
        del item.stash[EXPLORED]


def seconds(item: pytest.Item) -> float:
    """The time of all its runs, which pytest has not measured."""
    if EXPLORED not in item.stash:
        return 0.0
    return sum(explored.duration for explored in item.stash[EXPLORED])


def interrupted(config: pytest.Config) -> list[ExplorationResult]:
    """What was broken off (Ctrl-C), which no report shows."""
    return config.stash.get(INTERRUPTED, [])


def _share(item: pytest.Item, settings: Settings) -> tuple[int, int]:
    """Which share of the points is this item's: of this machine's, and of its own."""
    number, count = settings.shard
    if settings.replay:
        return (1, 1)
    call: CallSpec2 | None = getattr(item, "callspec", None)
    mine = 0 if call is None else call.params.get(_SHARE, 0)
    assert isinstance(mine, int)
    if not mine:
        return (number, count)
    return ((number - 1) * settings.shards + mine, count * settings.shards)


def parametrize_shards(metafunc: pytest.Metafunc) -> None:
    """`--asyncfastapi-shards`: one item for each share of a test that is explored."""
    settings = metafunc.config.stash[SETTINGS]
    item = metafunc.definition
    if settings.shards < 2 or settings.replay or not is_enabled(item, settings):
        return
    if not claims.is_async_test(item):
        return
    names = metafunc.fixturenames
    if not (_marked(item, "schedules") or "asgi_client" in names or _TOGETHER in names):
        return
    metafunc.fixturenames.append(_SHARE)
    shares = range(1, settings.shards + 1)
    names = [f"share{number}of{settings.shards}" for number in shares]
    metafunc.parametrize(_SHARE, shares, indirect=True, ids=names)


def begin(item: pytest.Item, state: TestState) -> None:
    """A run begins: the engine's, or at last the test's own."""
    if _ENABLED not in item.stash:
        return
    if refused := item.stash.get(_REFUSED, ""):
        raise pytest.UsageError(refused)
    prepare = item.stash.get(_PREPARE, None)
    if prepare is not None:
        prepare(state.explored_test)
    else:
        state.explore.explored = explored = item.stash.get(EXPLORED, [])
        if any(one.kind != "schedules" for one in explored):
            state.time.request()  # the same test as in the runs before
