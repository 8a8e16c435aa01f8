"""Context variables that one task hands on to others that it did not start.

The lifespan of an app sets some; a server that runs requests as its own tasks
loses them, so we lay them under each request. Knows neither app nor client.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import Any

# A context variable: which, its value now, its value before (or `ABSENT`).
Change = tuple[ContextVar[Any], Any, Any]
ABSENT: Any = object()

# The running test, for what is called from inside its body without a fixture of ours:
# `explore_schedules()`. None outside of pytest.
TEST: ContextVar[Any] = ContextVar("asyncfastapi_test", default=None)


# The same for who has no context of the body's: fixtures, and what they leave running. Of
# several (a pytest inside a pytest) the last one.
RUNNING: list[Any] = []


def current_test() -> Any:
    """The test that runs; None outside of pytest."""
    return TEST.get() or (RUNNING[-1] if RUNNING else None)


def changes(before: Context, after: Context) -> tuple[Change, ...]:
    """The variables that have another value in `after` than in `before`."""
    return tuple(
        (variable, value, before.get(variable, ABSENT))
        for variable, value in after.items()
        if before.get(variable, ABSENT) is not value
    )


def lay_under(context: Context, below: tuple[Change, ...]) -> None:
    """Make the changes in `context`, except where it has a newer value of its own."""
    for variable, value, before in below:
        if context.get(variable, ABSENT) is before:
            context.run(variable.set, value)
