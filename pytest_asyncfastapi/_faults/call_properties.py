"""What of a call decides whether a fault can have an effect on it, and who is on the wire with it.

Plain data, filled in by who knows the client. What is not known counts as given: a fault is
spared only where it surely has no effect.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

# Which pool a call goes through (any number), and how many connections that has at most.
Pool = tuple[int, int]
NO_POOL: Pool = (0, sys.maxsize)


@dataclass(slots=True, eq=False)
class CallProperties:
    """One call: does it use a proxy, send a body, speak HTTP/2; has its answer a body?

    `proxy` is the scheme of the proxy, empty where there is none; `body` is `"none"` where an
    answer cannot have one (HEAD, 204, a length of 0), `"empty"` where it could. Not changed
    once made, and not frozen: one is made for every call.
    """

    proxy: str = "https"
    uploads: bool = True
    http2: bool | None = None  # not known
    body: Literal["", "none", "empty"] = ""
    pool: Pool = NO_POOL


UNKNOWN = CallProperties()
# Of which only the body of the answer is known.
WITHOUT: dict[str, CallProperties] = {
    "none": CallProperties(body="none"),
    "empty": CallProperties(body="empty"),
}


class InFlight:
    """Counts the calls on the wire: of those of one pool, no more than it has connections.

    What is beyond that waits in the client, and has not been sent.
    """

    __slots__ = ("_of", "total")

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self.total = 0

    def enter(self, pool: Pool) -> int:
        """One more call of this pool; how many are on the wire."""
        key, limit = pool
        count = self._of[key] = self._of.get(key, 0) + 1
        if count <= limit:
            self.total += 1
        return self.total

    def leave(self, pool: Pool) -> None:
        """One of them is over."""
        key, limit = pool
        count = self._of[key]
        if count <= limit:
            self.total -= 1
        if count == 1:
            del self._of[key]
        else:
            self._of[key] = count - 1

    def __repr__(self) -> str:
        return f"<InFlight {self.total}>"
