"""Run a hook when a module is imported later, without importing it now.

The app may import its HTTP library inside a function, after the test began.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType


class PostImportHook(MetaPathFinder):
    """Calls `ready` right after `name` has been executed for the first time."""

    def __init__(self, name: str, ready: Callable[[], None]) -> None:
        self.name = name
        self._ready = ready

    def install(self) -> None:
        """Add this to `sys.meta_path`."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Remove it; harmless when not installed."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the one module as usual, and wrap the execution of its body."""
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute: Callable[[ModuleType], Any] = spec.loader.exec_module

        def execute_and_notify(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:
                self._ready()

        setattr(spec.loader, "exec_module", execute_and_notify)  # noqa: B010 - a method, on purpose
        return spec

    def __repr__(self) -> str:
        return f"<PostImportHook {self.name!r}>"
