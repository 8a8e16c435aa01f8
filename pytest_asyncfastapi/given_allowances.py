"""What a test's markers allow it: `allow_blocking`, read and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def of_blocking(item: pytest.Item) -> tuple[str, ...]:
    """The rules of the `allow_blocking` markers. Raises `pytest.UsageError`."""
    import pytest

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
