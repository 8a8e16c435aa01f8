"""The running test, for what is called from inside its body without a fixture of ours."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

# The test in whose body the code runs: its state, which gives it as `explored_test`.
CURRENT_TEST: ContextVar[Any] = ContextVar("asyncfastapi_test", default=None)


# The same for code outside of the body's context: fixtures, and tasks that they leave running.
# Of several (a pytest inside a pytest) the last one.
RUNNING: list[Any] = []


def test_of_body() -> Any:
    """The test in whose body the caller runs; None outside of one.

    What a test leaves running, a server for all tests say, keeps the context of its body.
    """
    state = CURRENT_TEST.get()
    return state.explored_test if any(each is state for each in RUNNING) else None


test_of_body.__test__ = False  # type: ignore[attr-defined]


def current_test() -> Any:
    """The test that runs; None outside of pytest."""
    return test_of_body() or (RUNNING[-1].explored_test if RUNNING else None)
