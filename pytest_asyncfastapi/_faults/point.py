"""What all verbs after `faults.on(pattern)` are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import values
from .delay import Distribution
from .effect import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from .effect import Effect
    from .rule import FaultRule

Duration = float | str | Distribution


class Point:
    """A place where a fault can be put: each verb gives its effect to `add`."""

    def __init__(self, text: str, add: Callable[[Effect, bool], FaultRule]) -> None:
        self._text = text
        self._add = add

    def _plain(self, name: str, optional: bool) -> FaultRule:
        return self._add(plain(name), optional)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._text!r}>"


def place(after_bytes: int | None, in_head: bool) -> str | int:
    """Where in the answer: after so many bytes of its body, in its head, or before it."""
    if after_bytes is not None:
        return values.place(after_bytes)
    return "head" if in_head else ""
