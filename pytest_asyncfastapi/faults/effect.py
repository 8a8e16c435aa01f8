"""What a fault does to one request, as plain data.

Knows the words and which of the client's four budgets each one spends; does
not know how they are played on a wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..units import show

Phase = Literal["connect", "read", "pool"]

# The endings that need no value, with one line for people.
ENDINGS: dict[str, str] = {
    "read_timeout": "the server reads the request and never answers",
    "connect_timeout": "the connection is never established",
    "pool_timeout": "no connection of the pool becomes free",
    "refused": "nothing listens on the port",
    "dns_error": "the host name does not resolve",
    "reset": "the server resets the connection before it answers",
    "empty_reply": "the server closes the connection before it answers",
}
_STALLS: dict[str, Phase] = {
    "read_timeout": "read",
    "connect_timeout": "connect",
    "pool_timeout": "pool",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """A delay before the response head (seconds), and how the exchange ends.

    `ending` is one of `ENDINGS`, `"status"`, or empty for the normal answer.
    """

    delay: float = 0.0
    ending: str = ""
    status: int = 0
    retry_after: str = ""

    @property
    def stalls(self) -> Phase | None:
        """The client's budget that has to end this, if nothing else does."""
        return _STALLS.get(self.ending)

    @property
    def takes_time(self) -> bool:
        """Does it wait for anything, so that virtual time pays off?"""
        return self.delay > 0 or self.stalls is not None

    def __str__(self) -> str:
        parts = [f"latency={show(self.delay).replace(' ', '')}"] if self.delay else []
        if self.ending == "status":
            parts.append(f"status={self.status}")
            if self.retry_after:
                parts.append(f"retry_after={self.retry_after}")
        elif self.ending:
            parts.append(self.ending)
        return ", ".join(parts) or "latency=0s"
