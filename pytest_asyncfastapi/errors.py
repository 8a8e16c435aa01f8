"""Every exception of this package, for `except` and `pytest.raises()`.

All derive from `AsyncFastAPIError`, and from the built-in class that describes them best. The
package's root exports them too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        AppNotFound,
        AppStillRunning,
        AsyncFastAPIError,
        BlockingCallError,
        ClientDisconnected,
        ClockError,
        DeadlinePassed,
        FaultSpecError,
        InvariantBroken,
        LifespanError,
        LoopMismatch,
        NotAnEventStream,
        NoTimeoutSet,
        NotLinearizable,
        ProtocolViolation,
        RedirectedAway,
        ScheduleFailure,
        SweepFailure,
        TapeError,
        UnroutedCall,
        UpstreamExhausted,
        WebSocketClosed,
        WebSocketRejected,
    )

__all__ = [
    "AppNotFound",
    "AppStillRunning",
    "AsyncFastAPIError",
    "BlockingCallError",
    "ClientDisconnected",
    "ClockError",
    "DeadlinePassed",
    "FaultSpecError",
    "InvariantBroken",
    "LifespanError",
    "LoopMismatch",
    "NoTimeoutSet",
    "NotAnEventStream",
    "NotLinearizable",
    "ProtocolViolation",
    "RedirectedAway",
    "ScheduleFailure",
    "SweepFailure",
    "TapeError",
    "UnroutedCall",
    "UpstreamExhausted",
    "WebSocketClosed",
    "WebSocketRejected",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("pytest_asyncfastapi"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
