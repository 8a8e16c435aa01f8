"""Which scope takes part in what happens here: that of this context, else the innermost one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import Generic, TypeVar

from .patches import Patches

Scope = TypeVar("Scope")


class ActiveScopes(ABC, Generic[Scope]):
    """The scopes that are active; the first one that comes installs, the last restores."""

    def __init__(self, name: str) -> None:
        self._lock = threading.RLock()
        self._active: list[Scope] = []
        self._patches = Patches()
        self._mine: ContextVar[Scope | None] = ContextVar(name, default=None)

    def enter(self, scope: Scope) -> None:
        """Make `scope` take part in this context, and in contexts without one."""
        with self._lock:
            if scope not in self._active:
                self._active = [*self._active, scope]
                self._mine.set(scope)
                if len(self._active) == 1:
                    self._install()

    def leave(self, scope: Scope) -> None:
        """Take `scope` out; the last one restores what was replaced."""
        with self._lock:
            self._active = [item for item in self._active if item is not scope]
            if self._mine.get() is scope:
                self._mine.set(None)
            if not self._active:
                self._restore()

    def current(self) -> Scope | None:
        """The scope of this context if it is active, else the innermost active one."""
        active = self._active
        mine = self._mine.get()
        if mine is not None and mine in active:
            return mine
        return active[-1] if active else None

    @abstractmethod
    def _install(self) -> None:
        """Replace what has to be replaced, by `_patches`."""

    def _restore(self) -> None:
        """Put back what was replaced."""
        self._patches.undo()
