"""The error of virtual time."""

from __future__ import annotations

from .._core.base_error import AsyncFastAPIError


class ClockError(AsyncFastAPIError, RuntimeError):
    """Virtual time cannot be used here, or cannot go on (a deadlock)."""
