"""Attributes of other people's classes, modules and objects: replaced, and put back afterwards.

Patches of one attribute may be undone in any order. One below another patch (ours or another
library's) stays in place and has to forward its calls; it is removed as soon as it is on top.
Otherwise each test would leave one more.
"""

from __future__ import annotations

from functools import update_wrapper
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .frames import identity

if TYPE_CHECKING:
    from collections.abc import Callable

_COPIED = ("__name__", "__qualname__", "__doc__")
_INHERITED: Any = object()  # the owner had no attribute of its own


class _Patch:
    """One attribute: its replacement, and its value before."""

    __slots__ = ("before", "name", "ours", "owner")

    def __init__(self, owner: Any, name: str, ours: Any) -> None:
        self.owner, self.name, self.ours = owner, name, ours
        self.before = vars(owner).get(name, _INHERITED)

    def on_top(self) -> bool:
        return vars(self.owner).get(self.name) is self.ours

    def take_off(self) -> None:
        if self.before is _INHERITED:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.before)


# Undone while another patch was on top of them, by the identity of the replacement. Objects that
# are neither classes nor modules are not kept alive for this.
_BELOW: dict[int, _Patch] = {}


def _clean(owner: Any, name: str) -> None:
    """Take off what was undone before, and is on top now."""
    while _BELOW and (patch := _BELOW.pop(identity(vars(owner).get(name)), None)) is not None:
        patch.take_off()


class Patches:
    """A set of replaced attributes, until `undo()`."""

    def __init__(self) -> None:
        self._done: dict[tuple[int, str], _Patch] = {}

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put `make(original)` in the place of `owner.name`; a second time does nothing."""
        if (identity(owner), name) in self._done:
            return
        if _BELOW:
            _clean(owner, name)
        original = getattr(owner, name)
        ours = make(original)
        self.replace(owner, name, update_wrapper(ours, original, _COPIED, ()))

    def replace(self, owner: Any, name: str, ours: Any) -> None:
        """Put `ours` itself there."""
        if _BELOW:
            _clean(owner, name)
        self._done[identity(owner), name] = _Patch(owner, name, ours)
        setattr(owner, name, ours)

    def in_place(self) -> bool:
        """Is everything that was replaced still ours, or ours below further wrappers?"""
        for patch in self._done.values():
            found = getattr(patch.owner, patch.name)
            if found is not patch.ours and not _is_below(found, patch.ours):
                return False
        return True

    def undo(self) -> None:
        """Put everything back."""
        while self._done:
            _, patch = self._done.popitem()
            if patch.on_top():
                patch.take_off()
                _clean(patch.owner, patch.name)
            elif isinstance(patch.owner, (type, ModuleType)):
                _BELOW[identity(patch.ours)] = patch

    def __len__(self) -> int:
        return len(self._done)

    def __repr__(self) -> str:
        return f"<Patches: {len(self)}>"


def _is_below(found: Any, ours: Any) -> bool:
    while found is not None and found is not ours:
        found = getattr(found, "__wrapped__", None)
    return found is ours
