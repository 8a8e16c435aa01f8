"""What is running right now: the label that findings carry, and its borders.

The client sets `ACTIVITY` in the context of each request, the lifespan and
the runners do so for theirs; the watchers read it. `activity_changed()` is called where
one activity ends and another begins inside the same step of the loop, while `ACTIVITY` is still
the one that ends, so that a stopwatch that times steps does not add up 150 clean requests to one
stall.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ACTIVITY: ContextVar[str] = ContextVar("asyncfastapi_activity", default="")

# The request that is being served: an object with `label`, `status`, `error` and `finished`.
SERVED: ContextVar[Any] = ContextVar("asyncfastapi_served", default=None)

# The label of an app's start-up and shutdown: no request is served meanwhile.
LIFESPAN = "lifespan"
# The label of what a test does by itself, between its requests.
BODY = "the test's own body"

# Process-wide, like sys.monitoring, whose users are the only watchers.
_watchers: tuple[Callable[[], None], ...] = ()


def activity_changed() -> None:
    """Say that another activity begins here, before `ACTIVITY` is set."""
    for watcher in _watchers:
        watcher()


def on_activity_change(watcher: Callable[[], None]) -> Callable[[], None]:
    """Call `watcher` at each border, on the thread where it is; returns the undo."""
    global _watchers  # noqa: PLW0603
    _watchers = (*_watchers, watcher)

    def undo() -> None:
        global _watchers  # noqa: PLW0603
        _watchers = tuple(item for item in _watchers if item is not watcher)

    return undo
