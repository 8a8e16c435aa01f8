"""Leaks, thread-pool queueing and deadlines: observes, and changes nothing that the app sees.

Must not know the blocking guard, HTTP messages or pytest.
"""

from __future__ import annotations

from .leak_detector import LeakDetector

__all__ = ["LeakDetector"]
