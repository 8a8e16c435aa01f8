"""pytest-asyncfastapi: test how an async endpoint behaves, not only what it returns.

The fixtures and flags come with the pytest plugin; `open_app()` gives the same
client outside of fixtures: in `@given` bodies, scripts and notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .opening import open_app

__all__ = ["open_app"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazily: pytest imports this package at every start, the user's app only when it is tested.
    if name == "open_app":
        from .opening import open_app

        return open_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
