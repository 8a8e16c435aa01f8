"""Virtual time: a 30 s latency costs no wall time and changes nothing else.

The public names of the package. Imports the standard library only.
"""

from __future__ import annotations

from .._core.await_chains import describe_tasks
from .errors import ClockError
from .virtual import VirtualClock

__all__ = ["ClockError", "VirtualClock", "describe_tasks"]
