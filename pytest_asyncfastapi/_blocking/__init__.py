"""Who blocks the event loop: every call is named with the user's line, nothing else ever is.

Three witnesses (the call tap, audit events, the step watch) report to the
active guards; `BlockingGuard` is the package's entry point. It knows nothing of HTTP,
of reports or of pytest.
"""

from .allow import AllowRule
from .guard import BlockingGuard
from .models import BlockingCall, BlockingCallError, BlockingPolicy

__all__ = ["AllowRule", "BlockingCall", "BlockingCallError", "BlockingGuard", "BlockingPolicy"]
