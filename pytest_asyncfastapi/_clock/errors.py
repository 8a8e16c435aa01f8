"""The one error of virtual time. Knows nothing of loops."""

from __future__ import annotations


class ClockError(RuntimeError):
    """Virtual time cannot be used here, or cannot go on (a deadlock)."""
