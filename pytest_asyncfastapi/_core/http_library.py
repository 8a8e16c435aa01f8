"""httpx or httpx2: the only place that knows there are two.

The two share names, not classes: `except httpx.ReadTimeout` misses httpx2's.
Whatever we raise or return must be of the library that made the request.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from types import ModuleType

LibraryName = Literal["httpx", "httpx2"]
UNSET: Any = object()  # an argument that was not given, where None says something


def library_of(thing: object) -> ModuleType:
    """The module (httpx or httpx2) that an object of theirs belongs to."""
    return import_module(type(thing).__module__.partition(".")[0])
