"""A call whose response does not pass through us: its outcome, as the bytes say.

Writes the exchange, and the account of the faults that struck.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .._core.hosts import is_private_host

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from .._faults import Pool
    from .call_log import OpenExchange
    from .decision import Decision
    from .scope import UpstreamScope


@dataclass(frozen=True, slots=True)
class Named:
    """In the place of `Library`: what the judge asks of it."""

    name: str


@dataclass(slots=True, eq=False)
class ForeignCall:
    """One request on its way out; `request` is as routes see it, `owner` has the pool.

    `limit` is how many connections the pool opens at one time.
    """

    library: Named
    request: httpx.Request
    owner: Any
    limit: int = sys.maxsize
    proxy: str = ""  # "http" also where the client speaks TLS to it, which is not played
    http2: bool = False

    @property
    def pool(self) -> Pool:
        """Whose connections it uses, and how many there may be."""
        return identity(self.owner), self.limit

    @property
    def handshakes_unbounded(self) -> bool:
        """Does it wait for its proxy's handshake without a timeout?"""
        return False

    @property
    def is_private(self) -> bool:
        """May it go out without a route, since it does not leave the private network?"""
        return is_private_host(self.request.url.host)

    def is_left_alone(self, scope: UpstreamScope) -> bool:
        """Does it go to a near server that nobody speaks of, or to one of the test's own?"""
        if not self.is_private:
            return False
        seen, router = self.request, scope.router
        if router is not None and (seen.url.host, seen.url.port) in router._served_places:
            return True
        routed = router is not None and router.reach(seen) is not None
        return not routed and not any(rule.covers(seen) for rule in scope.faults)


class SentCall:
    """One call on its way. `instant` is the clock in force: its time (s), and its name.

    `response` is the answer, once it has been made.
    """

    def __init__(
        self,
        scope: UpstreamScope,
        call: ForeignCall,
        out: OpenExchange,
        instant: Callable[[], tuple[float, str]],
    ) -> None:
        self._scope = scope
        self.call = call
        self.out = out
        self.instant = instant
        self.decision: Decision | None = None
        self.response: Any = None
        self._ended = False

    def on_data(self, data: bytes, *, whole: bool) -> None:
        """These bytes of the answer are here; `whole` when they are the last."""
        response = self.response
        if response is None or self._ended:
            return
        at, _ = self.instant()
        if self.out.head is None:
            self._scope.recorder.answered(self.out, response, at)
            if b"\r\n\r\n" in data[:-4]:
                self.out.first_byte = at
        elif self.out.first_byte is None:
            self.out.first_byte = at
        if whole:
            self._end("", response)

    def on_closed(self, error: str) -> None:
        """The connection is gone; `error` is the name of what ended it."""
        self._end(error, None)

    def on_failure(self, error: BaseException) -> None:
        """It has not come to a connection."""
        self.out.kinds = tuple(each.__name__ for each in type(error).__mro__)
        self._end(type(error).__name__, error)

    def _end(self, error: str, outcome: Any) -> None:
        if self._ended:
            return
        self._ended = True
        self._scope.recorder.end(self.out, self.instant()[0], error=error)
        self._scope.faults.finished(self.out.request)
        if self.decision is not None:
            known = outcome if outcome is not None else self.response
            self.decision.record_outcome(
                self.call, self.out, _Unknown() if known is None else known
            )

    def __repr__(self) -> str:
        return f"<SentCall {self.out!r}>"


class _Unknown(Exception):
    """The call ended without an answer, and it is not known by what."""
