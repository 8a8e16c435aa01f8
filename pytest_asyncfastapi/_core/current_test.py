"""The running test, for what is called from inside its body without a fixture of ours."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

# `explore_schedules()` asks for it. None outside of pytest.
CURRENT_TEST: ContextVar[Any] = ContextVar("asyncfastapi_test", default=None)


# The same for who has no context of the body's: fixtures, and what they leave running. Of
# several (a pytest inside a pytest) the last one.
RUNNING: list[Any] = []


def current_test() -> Any:
    """The test that runs; None outside of pytest."""
    return CURRENT_TEST.get() or (RUNNING[-1] if RUNNING else None)
