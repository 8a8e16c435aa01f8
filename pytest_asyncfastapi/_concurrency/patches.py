"""Functions of other people, wrapped while anybody watches and put back afterwards.

Process-wide by nature. A wrapper that somebody else has wrapped since stays
where it is; it only passes on while nobody watches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Patches:
    """What is wrapped right now: (owner, name) and what stood there before."""

    def __init__(self) -> None:
        self._done: dict[tuple[int, str], tuple[Any, str, Any, Any, bool]] = {}

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put `make(original)` in the place of `owner.name`; a second time does nothing."""
        if (id(owner), name) in self._done:
            return
        own = name in vars(owner)
        original = getattr(owner, name)
        ours = make(original)
        for attribute in ("__name__", "__qualname__", "__doc__"):
            setattr(ours, attribute, getattr(original, attribute, None))
        ours.__wrapped__ = original
        self._done[id(owner), name] = (owner, name, original, ours, own)
        setattr(owner, name, ours)

    def in_place(self) -> bool:
        """Is everything that was wrapped still ours?"""
        return all(getattr(owner, name) is ours for owner, name, _, ours, _ in self._done.values())

    def undo(self) -> None:
        """Put everything back that is still ours."""
        for owner, name, original, ours, own in reversed(self._done.values()):
            if getattr(owner, name) is not ours:
                continue
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)
        self._done.clear()

    def __repr__(self) -> str:
        return f"<Patches: {len(self._done)}>"
