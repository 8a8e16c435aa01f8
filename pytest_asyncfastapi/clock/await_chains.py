"""The await chains are shared now; this name stays for the room's own modules."""

from __future__ import annotations

from ..await_chains import describe_tasks, frames_of

__all__ = ["describe_tasks", "frames_of"]
