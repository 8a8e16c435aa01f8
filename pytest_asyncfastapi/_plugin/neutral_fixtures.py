"""Async fixtures that every runner can run: each is handed to the runner of its test."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# By name: each is one function.
NEUTRAL: dict[str, FunctionType] = {}


def runner_agnostic_fixture(scope: Any = "function") -> Callable[[Callable[..., Any]], Any]:
    """An async generator fixture that every runner can run; `scope` as in `pytest.fixture`."""

    def declare(function: Callable[..., Any]) -> Any:
        assert isinstance(function, FunctionType)
        NEUTRAL[function.__name__] = function
        return pytest.fixture(scope=scope)(function)

    return declare


def is_neutral(function: object) -> bool:
    """Was this fixture function declared by `runner_agnostic_fixture`?"""
    return isinstance(function, FunctionType) and NEUTRAL.get(function.__name__) is function
