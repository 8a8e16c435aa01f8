"""Async fixtures that every runner can run: each is handed to the runner of its test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

NEUTRAL: list[Any] = []


def runner_agnostic_fixture(scope: Any = "function") -> Callable[[Callable[..., Any]], Any]:
    """An async generator fixture that every runner can run; `scope` as in `pytest.fixture`."""

    def declare(function: Callable[..., Any]) -> Any:
        NEUTRAL.append(function)
        return pytest.fixture(scope=scope)(function)

    return declare


def is_neutral(function: object) -> bool:
    """Was this fixture function declared by `runner_agnostic_fixture`?"""
    return any(function is known for known in NEUTRAL)
