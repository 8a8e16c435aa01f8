"""Waiting for real, as a sync client does, and how its sockets word a timeout."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .http2 import Connection


def wait_or_time_out(
    duration: float | None, deadline: float | None, message: str = "timed out"
) -> None:
    """Really wait (None: forever); `TimeoutError` when the deadline comes first."""
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    if duration is not None and (left is None or duration <= left):
        threading.Event().wait(duration)
        return
    threading.Event().wait(left)
    raise TimeoutError(message)


def timed_out(peer: Connection, operation: str) -> str:
    """The message of a socket's timeout; a TLS socket names the operation."""
    return f"The {operation} operation timed out" if peer.secure else "timed out"
