"""Every kind of fault on the way out, by its name. `entry.py` says what one holds."""

from .answers import ANSWERS
from .connecting import CONNECTING
from .entry import Budget, FaultKind, Keyword, Swept, WireEvent
from .timing import TIMING

KINDS: dict[str, FaultKind] = {kind.name: kind for kind in (*TIMING, *CONNECTING, *ANSWERS)}
# The answer as it is.
NORMAL = FaultKind(name="", what="", answered=True)

__all__ = ["KINDS", "NORMAL", "Budget", "FaultKind", "Keyword", "Swept", "WireEvent"]
