"""pytest-asyncfastapi: test how an async endpoint behaves, not only what it returns.

The fixtures and flags come with the pytest plugin; `open_app()` gives the same
client outside of fixtures: in `@given` bodies, scripts and notebooks. The
other names are what the fixtures give, for annotations.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

# pytest rewrites the asserts of every plugin's modules, and then reads them in small pieces. Ours
# have none to explain to a user, and without that all of them load in two thirds of the time.
for _finder in sys.meta_path:
    getattr(_finder, "_must_rewrite", set()).discard(__name__)

if TYPE_CHECKING:
    from ._app.lifespan import LifespanError
    from ._app.locate import AppNotFound
    from ._app.overrides import Overrides
    from ._blocking.guard import BlockingGuard
    from ._blocking.models import BlockingCall, BlockingCallError
    from ._client.errors import (
        AppStillRunning,
        ClientDisconnected,
        LoopMismatch,
        ProtocolViolation,
        RedirectedAway,
    )
    from ._client.sse import EventStream, NotAnEventStream
    from ._client.sse_parser import ServerSentEvent
    from ._client.websocket import WebSocket
    from ._client.websocket_errors import WebSocketClosed, WebSocketRejected
    from ._client.with_httpx import AsgiClient
    from ._clock.errors import ClockError
    from ._clock.virtual import VirtualClock
    from ._concurrency.deadline import DeadlinePassed
    from ._concurrency.load import Load
    from ._concurrency.load_model import NotLinearizable, Operation
    from ._concurrency.load_report import LoadReport
    from ._concurrency.thread_pool import Threads
    from ._concurrency.thread_report import PoolReport
    from ._core.base_error import AsyncFastAPIError
    from ._core.findings import Finding
    from ._explore.inline_engine import SweepFailure, SweepReport
    from ._explore.schedules.function import explore_schedules
    from ._explore.schedules.run import InvariantBroken
    from ._explore.schedules.search import Explored, ScheduleFailure
    from ._explore.schedules.sequential import TogetherResult
    from ._explore.schedules.together import Together, explore_together
    from ._explore.sweep_functions import explore_disconnects, explore_faults
    from ._faults.builder import FaultPoint
    from ._faults.client import ClientFaults, ClientRule
    from ._faults.dependency import DependencyPoint, DependencyRule
    from ._faults.errors import FaultSpecError, NoTimeoutSet
    from ._faults.registry import Faults
    from ._faults.rule import FaultRule
    from ._plugin.open_app import open_app
    from ._upstream.call_log import Exchange
    from ._upstream.cassette_file import TapeError
    from ._upstream.errors import UnroutedCall, UpstreamExhausted
    from ._upstream.route import Route
    from ._upstream.router import Upstream
    from ._upstream.serve import Serving

    __version__: str

__all__ = [
    "AppNotFound",
    "AppStillRunning",
    "AsgiClient",
    "AsyncFastAPIError",
    "BlockingCall",
    "BlockingCallError",
    "BlockingGuard",
    "ClientDisconnected",
    "ClientFaults",
    "ClientRule",
    "ClockError",
    "DeadlinePassed",
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
    "InvariantBroken",
    "LifespanError",
    "Load",
    "LoadReport",
    "LoopMismatch",
    "NoTimeoutSet",
    "NotAnEventStream",
    "NotLinearizable",
    "Operation",
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
    "Together",
    "TogetherResult",
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
    "explore_together",
    "open_app",
]

# Where each name lives. Lazily: pytest imports this package at its every start.
_HOMES = {
    "AppNotFound": "_app.locate",
    "AppStillRunning": "_client.errors",
    "AsgiClient": "_client.with_httpx",
    "AsyncFastAPIError": "_core.base_error",
    "BlockingCall": "_blocking.models",
    "BlockingCallError": "_blocking.models",
    "BlockingGuard": "_blocking.guard",
    "ClientDisconnected": "_client.errors",
    "ClientFaults": "_faults.client",
    "ClientRule": "_faults.client",
    "ClockError": "_clock.errors",
    "DeadlinePassed": "_concurrency.deadline",
    "DependencyPoint": "_faults.dependency",
    "DependencyRule": "_faults.dependency",
    "EventStream": "_client.sse",
    "Exchange": "_upstream.call_log",
    "Explored": "_explore.schedules.search",
    "FaultPoint": "_faults.builder",
    "FaultRule": "_faults.rule",
    "FaultSpecError": "_faults.errors",
    "Faults": "_faults.registry",
    "Finding": "_core.findings",
    "InvariantBroken": "_explore.schedules.run",
    "LifespanError": "_app.lifespan",
    "Load": "_concurrency.load",
    "LoadReport": "_concurrency.load_report",
    "LoopMismatch": "_client.errors",
    "NoTimeoutSet": "_faults.errors",
    "NotAnEventStream": "_client.sse",
    "NotLinearizable": "_concurrency.load_model",
    "Operation": "_concurrency.load_model",
    "Overrides": "_app.overrides",
    "PoolReport": "_concurrency.thread_report",
    "ProtocolViolation": "_client.errors",
    "RedirectedAway": "_client.errors",
    "Route": "_upstream.route",
    "ScheduleFailure": "_explore.schedules.search",
    "ServerSentEvent": "_client.sse_parser",
    "Serving": "_upstream.serve",
    "SweepFailure": "_explore.inline_engine",
    "SweepReport": "_explore.inline_engine",
    "TapeError": "_upstream.cassette_file",
    "Threads": "_concurrency.thread_pool",
    "Together": "_explore.schedules.together",
    "TogetherResult": "_explore.schedules.sequential",
    "UnroutedCall": "_upstream.errors",
    "Upstream": "_upstream.router",
    "UpstreamExhausted": "_upstream.errors",
    "VirtualClock": "_clock.virtual",
    "WebSocket": "_client.websocket",
    "WebSocketClosed": "_client.websocket_errors",
    "WebSocketRejected": "_client.websocket_errors",
    "explore_disconnects": "_explore.sweep_functions",
    "explore_faults": "_explore.sweep_functions",
    "explore_schedules": "_explore.schedules.function",
    "explore_together": "_explore.schedules.together",
    "open_app": "_plugin.open_app",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-asyncfastapi")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
