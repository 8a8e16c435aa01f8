"""What a test has of the blocking room: its guard, and the marks that allow calls.

Beside `state.py`, which holds one for each test; imports the room when a test
needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .blocking import BlockingGuard
    from .state import TestState


def start(state: TestState) -> BlockingGuard:
    """A guard for this test, started. Raises `pytest.UsageError` for a mark that is wrong."""
    from .blocking import BlockingGuard, BlockingPolicy

    mode, settings = state.guard_mode, state.settings
    policy = BlockingPolicy(
        mode="fail" if mode == "off" else mode,
        profile=settings.blocking_profile,
        allow=(*settings.allow_blocking, *allowed_by_marks(state.item)),
        step_threshold=settings.blocking_threshold,
        cpu_threshold=settings.cpu_threshold,
    )
    guard = BlockingGuard(policy, state.user_code, test=state.test)
    if state.recording is not None:
        guard.now = state.recording.now
    guard.start()
    return guard


def allowed_by_marks(item: pytest.Item) -> tuple[str, ...]:
    """The rules of `@pytest.mark.allow_blocking`, checked."""
    from .blocking.allow import as_rule

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


def unused_marks(item: pytest.Item, guard: BlockingGuard) -> Iterator[str]:
    """An allow-list must age well: a mark that allows nothing any more is said."""
    marked = allowed_by_marks(item)
    for rule in guard.unused_rules():
        if rule.text in marked:
            yield f"{item.nodeid}: allow_blocking({rule.text!r}) allowed nothing"
