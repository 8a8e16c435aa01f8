"""pytest-asyncfastapi: test how an async endpoint behaves, not only what it returns.

The fixtures and flags come with the pytest plugin; `open_app()` gives the same
client outside of fixtures: in `@given` bodies, scripts and notebooks. The
other names are what the fixtures give, for annotations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app.lifespan import LifespanError
    from .app.overrides import Overrides
    from .blocking.guard import BlockingGuard
    from .blocking.records import BlockingCall, BlockingCallError
    from .client.errors import (
        AppStillRunning,
        ClientDisconnected,
        LoopMismatch,
        ProtocolViolation,
        RedirectedAway,
    )
    from .client.sse import EventStream, NotAnEventStream
    from .client.sse_parser import ServerSentEvent
    from .client.websocket import WebSocket
    from .client.websocket_errors import WebSocketClosed, WebSocketRejected
    from .client.with_httpx import AsgiClient
    from .clock.errors import ClockError
    from .clock.virtual import VirtualClock
    from .concurrency.load import Load
    from .concurrency.load_report import LoadReport
    from .concurrency.thread_pool import Threads
    from .concurrency.thread_report import PoolReport
    from .explore.schedules import Explored, ScheduleFailure, explore_schedules
    from .explore.sweeps import explore_disconnects, explore_faults
    from .explore.within import SweepFailure, SweepReport
    from .faults.builder import FaultPoint
    from .faults.client import ClientFaults, ClientRule
    from .faults.dependency import DependencyPoint, DependencyRule
    from .faults.errors import FaultSpecError, NoTimeoutSet
    from .faults.rule import FaultRule
    from .faults.table import Faults
    from .findings import Finding
    from .opening import open_app
    from .upstream.errors import UnroutedCall, UpstreamExhausted
    from .upstream.record import Exchange
    from .upstream.route import Route
    from .upstream.router import Upstream
    from .upstream.serve import Serving
    from .upstream.tape_file import TapeError

__version__ = "0.1.0"
__all__ = [
    "AppStillRunning",
    "AsgiClient",
    "BlockingCall",
    "BlockingCallError",
    "BlockingGuard",
    "ClientDisconnected",
    "ClientFaults",
    "ClientRule",
    "ClockError",
    "DependencyPoint",
    "DependencyRule",
    "EventStream",
    "Exchange",
    "Explored",
    "FaultPoint",
    "FaultRule",
    "FaultSpecError",
    "Faults",
    "Finding",
    "LifespanError",
    "Load",
    "LoadReport",
    "LoopMismatch",
    "NoTimeoutSet",
    "NotAnEventStream",
    "Overrides",
    "PoolReport",
    "ProtocolViolation",
    "RedirectedAway",
    "Route",
    "ScheduleFailure",
    "ServerSentEvent",
    "Serving",
    "SweepFailure",
    "SweepReport",
    "TapeError",
    "Threads",
    "UnroutedCall",
    "Upstream",
    "UpstreamExhausted",
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
    "AppStillRunning": "client.errors",
    "AsgiClient": "client.with_httpx",
    "BlockingCall": "blocking.records",
    "BlockingCallError": "blocking.records",
    "BlockingGuard": "blocking.guard",
    "ClientDisconnected": "client.errors",
    "ClientFaults": "faults.client",
    "ClientRule": "faults.client",
    "ClockError": "clock.errors",
    "DependencyPoint": "faults.dependency",
    "DependencyRule": "faults.dependency",
    "EventStream": "client.sse",
    "Exchange": "upstream.record",
    "Explored": "explore.schedules",
    "FaultPoint": "faults.builder",
    "FaultRule": "faults.rule",
    "FaultSpecError": "faults.errors",
    "Faults": "faults.table",
    "Finding": "findings",
    "LifespanError": "app.lifespan",
    "Load": "concurrency.load",
    "LoadReport": "concurrency.load_report",
    "LoopMismatch": "client.errors",
    "NoTimeoutSet": "faults.errors",
    "NotAnEventStream": "client.sse",
    "Overrides": "app.overrides",
    "PoolReport": "concurrency.thread_report",
    "ProtocolViolation": "client.errors",
    "RedirectedAway": "client.errors",
    "Route": "upstream.route",
    "ScheduleFailure": "explore.schedules",
    "ServerSentEvent": "client.sse_parser",
    "Serving": "upstream.serve",
    "SweepFailure": "explore.within",
    "SweepReport": "explore.within",
    "TapeError": "upstream.tape_file",
    "Threads": "concurrency.thread_pool",
    "UnroutedCall": "upstream.errors",
    "Upstream": "upstream.router",
    "UpstreamExhausted": "upstream.errors",
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
