"""What a test has of the blocking guard: its guard, and the marks that allow calls.

Beside `state.py`, which holds one for each test; imports the package when a test
needs it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .._blocking import BlockingGuard
    from .._blocking.allow import AllowRule
    from .._blocking.baseline import Key
    from .._core.findings import Finding
    from .state import TestState


@dataclass(frozen=True)
class Baseline:
    """Where known findings are kept; `keys` is None while they are being recorded."""

    path: Path
    keys: frozenset[Key] | None


BASELINE = pytest.StashKey["Baseline"]()
_SHIPPED = pytest.StashKey["tuple[AllowRule, ...]"]()


def setup(state: TestState) -> None:
    """Before its fixtures: a guard for this test, if it is to have one."""
    if state.guard_mode != "off":
        state.open_guard()
    else:
        stop_monitoring()  # a test without a guard is not slowed by that of the last one
    if state.recording is not None:
        state.recording.start()  # above the guard's timer of steps, which may be there already


def create_guard(state: TestState) -> BlockingGuard:
    """A guard for this test, started. Raises `pytest.UsageError` for a mark that is wrong."""
    from .._blocking import BlockingGuard, BlockingPolicy

    mode, settings = state.guard_mode, state.settings
    policy = BlockingPolicy(
        mode="fail" if mode == "off" else mode,
        profile=settings.blocking_profile,
        allow=(*settings.allow_blocking, *rules_from_markers(state.item)),
        step_threshold=settings.blocking_threshold,
        cpu_threshold=settings.cpu_threshold,
        categories=settings.blocking_category,
        shipped=_shipped(state.item.config),
    )
    guard = BlockingGuard(policy, state.user_code, test=state.test)
    if state.recording is not None:
        guard.now = state.recording.now
    guard.preparing = not state.in_body
    guard.alone = guard.lingers = True
    guard.start()
    return guard


def stop_monitoring() -> None:
    """Nobody is to listen for now, not even between two tests; nothing if nobody did."""
    witnesses = sys.modules.get("pytest_asyncfastapi._blocking.detectors")
    if witnesses is not None:
        witnesses.WITNESSES.silence()


@contextmanager
def test_body(state: TestState) -> Iterator[None]:
    """The test itself runs; before and after it are its fixtures, which serve nobody."""
    _set_phase(state, True)
    try:
        yield
    finally:
        _set_phase(state, False)


def _set_phase(state: TestState, in_body: bool) -> None:
    state.in_body = in_body
    if state.guard is not None:
        state.guard.preparing = not in_body


def _shipped(config: pytest.Config) -> tuple[AllowRule, ...]:
    """The profiles of installed libraries, looked for once."""
    if _SHIPPED not in config.stash:
        from .._blocking.profiles import load

        try:
            config.stash[_SHIPPED] = load()
        except ValueError as error:
            config.stash[_SHIPPED] = ()
            raise pytest.UsageError(str(error)) from None
    return config.stash[_SHIPPED]


def split_by_baseline(state: TestState, guard: BlockingGuard) -> list[Finding]:
    """What the guard found, without what the baseline knows; that is noted in `state.known`."""
    found = guard.findings()
    baseline = state.item.config.stash.get(BASELINE, None)
    if baseline is None:
        return found
    from .._blocking.baseline import key_of

    known = [
        item
        for item in found
        if item.severity == "error" and (baseline.keys is None or key_of(item) in baseline.keys)
    ]
    state.baselined = sorted({key_of(item) for item in known})
    return [item for item in found if item not in known]


def session_data(state: TestState) -> dict[str, Any]:
    """What this test has to say about the whole run; nothing where nobody would ask."""
    if state.guard is None:
        return {}
    if not (state.settings.allow_blocking or BASELINE in state.item.config.stash):
        return {}
    used = [rule.text for rule in state.guard._used_rules()]
    return {"used": used, "known": [list(key) for key in state.baselined]}


def open_baseline(config: pytest.Config, given: str) -> None:
    """Read the baseline, or see that it is to be written. Raises `pytest.UsageError`."""
    if not given:
        return
    from .._blocking.baseline import load

    update, _, name = given.rpartition("update:")
    anew = given.startswith("update:") and not update
    path = config.rootpath / (name if anew else given)
    try:
        keys = load(path) if path.exists() and not anew else None
    except ValueError as error:
        raise pytest.UsageError(f"--asyncfastapi-blocking-baseline: {error}") from None
    config.stash[BASELINE] = Baseline(path, keys)


def rules_from_markers(item: pytest.Item) -> tuple[str, ...]:
    """The rules of `@pytest.mark.allow_blocking`, checked."""
    from .._blocking.allow import as_rule

    rules: list[str] = []
    for mark in item.iter_markers("allow_blocking"):
        wrong = set(mark.kwargs) - {"reason"}
        if not mark.args or wrong or not all(isinstance(arg, str) for arg in mark.args):
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.allow_blocking takes what is allowed as text, and "
                'a reason: @pytest.mark.allow_blocking("open", reason="reads a 1 KB file")'
            )
        rules.extend(mark.args)
    for rule in rules:
        try:
            as_rule(rule)
        except ValueError as error:
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.allow_blocking: {error}"
            ) from None
    return tuple(rules)


def unused_markers(item: pytest.Item, guard: BlockingGuard) -> Iterator[str]:
    """An allow-list must age well: a mark that allows nothing any more is said."""
    marked = rules_from_markers(item)
    for rule in guard._unused_rules():
        if rule.text in marked:
            yield f"{item.nodeid}: allow_blocking({rule.text!r}) allowed nothing"
