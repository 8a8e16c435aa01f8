"""pytest-asyncfastapi: test how an async endpoint behaves, not only what it returns.

The fixtures and flags come with the pytest plugin; `open_app()` gives the same
client outside of fixtures: in `@given` bodies, scripts and notebooks. The
other names are what the fixtures give, for annotations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app.overrides import Overrides
    from .blocking.guard import BlockingGuard
    from .client.sse import NotAnEventStream
    from .client.websocket import WebSocket
    from .client.websocket_errors import WebSocketClosed, WebSocketRejected
    from .client.with_httpx import AsgiClient
    from .clock.virtual import VirtualClock
    from .concurrency.load import Load
    from .concurrency.load_report import LoadReport
    from .concurrency.thread_pool import Threads
    from .explore.schedules import Explored, ScheduleFailure, explore_schedules
    from .explore.sweeps import explore_disconnects, explore_faults
    from .explore.within import SweepFailure, SweepReport
    from .faults.table import Faults
    from .opening import open_app
    from .upstream.router import Upstream

__version__ = "0.1.0"
__all__ = [
    "AsgiClient",
    "BlockingGuard",
    "Explored",
    "Faults",
    "Load",
    "LoadReport",
    "NotAnEventStream",
    "Overrides",
    "ScheduleFailure",
    "SweepFailure",
    "SweepReport",
    "Threads",
    "Upstream",
    "VirtualClock",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketRejected",
    "explore_disconnects",
    "explore_faults",
    "explore_schedules",
    "open_app",
]

# Where each name lives. Lazily: pytest imports this package at its every start.
_HOMES = {
    "AsgiClient": "client.with_httpx",
    "BlockingGuard": "blocking.guard",
    "Explored": "explore.schedules",
    "Faults": "faults.table",
    "Load": "concurrency.load",
    "LoadReport": "concurrency.load_report",
    "NotAnEventStream": "client.sse",
    "Overrides": "app.overrides",
    "Threads": "concurrency.thread_pool",
    "ScheduleFailure": "explore.schedules",
    "SweepFailure": "explore.within",
    "SweepReport": "explore.within",
    "Upstream": "upstream.router",
    "VirtualClock": "clock.virtual",
    "WebSocket": "client.websocket",
    "WebSocketClosed": "client.websocket_errors",
    "WebSocketRejected": "client.websocket_errors",
    "explore_disconnects": "explore.sweeps",
    "explore_faults": "explore.sweeps",
    "explore_schedules": "explore.schedules",
    "open_app": "opening",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
