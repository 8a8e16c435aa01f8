"""Every kind of fault on the way out, by its name. `kinds.py` says what an entry holds."""

from .answers import ANSWERS
from .connecting import CONNECTING
from .kinds import Budget, FaultKind, Keyword, Swept, WireEvent
from .timing import TIMING

KINDS: dict[str, FaultKind] = {kind.name: kind for kind in (*TIMING, *CONNECTING, *ANSWERS)}
# The answer as it is.
NORMAL = FaultKind(name="", what="", answered=True)

__all__ = ["KINDS", "NORMAL", "Budget", "FaultKind", "Keyword", "Swept", "WireEvent"]
