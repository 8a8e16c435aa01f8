"""The running test, for what is called from inside its body without a fixture of ours."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

# Used by `explore_schedules()`. None outside of pytest.
CURRENT_TEST: ContextVar[Any] = ContextVar("asyncfastapi_test", default=None)


# The same for code outside of the body's context: fixtures, and tasks that they leave running.
# Of several (a pytest inside a pytest) the last one. Each gives it as its `explored_test`.
RUNNING: list[Any] = []


def current_test() -> Any:
    """The test that runs; None outside of pytest."""
    return CURRENT_TEST.get() or (RUNNING[-1].explored_test if RUNNING else None)
