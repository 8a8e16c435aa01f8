"""Finds calls that block the event loop, each with the user's line.

Three detectors (the call monitor, audit events, the step timer) report to the
active guards; `BlockingGuard` is the package's entry point. It knows nothing of HTTP,
of reports or of pytest.
"""

from .allow import AllowRule
from .guard import BlockingGuard
from .models import BlockingCall, BlockingCallError, BlockingPolicy

__all__ = ["AllowRule", "BlockingCall", "BlockingCallError", "BlockingGuard", "BlockingPolicy"]
