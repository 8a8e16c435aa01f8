"""One rule: where it applies, what it does, when it fires, how often it did.

A rule is told of every request that it covers, in order, and decides from its
own random stream; nothing else influences it. Knows no HTTP library: a request
is anything with `method` and `url`.
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .grammar import count, share

if TYPE_CHECKING:
    from ..findings import Location
    from .effect import Effect


@dataclass(frozen=True, slots=True)
class Hit:
    """One request that a rule struck, and the client's budget that ended it.

    `budget` is `"read"`, `"connect"`, `"pool"` or empty; `limit` its seconds.
    """

    method: str
    url: str
    budget: str = ""
    limit: float | None = None


class Where:
    """The requests a rule covers: a URL glob, a respx route or a respx pattern.

    In a glob only `*` is special. A glob without a query covers any query, as
    a respx route does.
    """

    def __init__(self, pattern: Any) -> None:
        self._matcher: Any = None
        self._glob: re.Pattern[str] | None = None
        self._query = False
        if isinstance(pattern, str):
            self.text = pattern
            self._query = "?" in pattern
            self._glob = re.compile(re.escape(pattern).replace(r"\*", ".*") + r"\Z", re.DOTALL)
            return
        self._matcher = getattr(pattern, "pattern", pattern)
        if not callable(getattr(self._matcher, "match", None)) or isinstance(pattern, re.Pattern):
            raise TypeError(
                f"{pattern!r} does not say where: give a URL glob ('https://pay.example/*'), "
                "a respx route or a respx pattern"
            )
        self.text = repr(pattern)

    def covers(self, request: Any) -> bool:
        """Is this request meant?"""
        if self._glob is None:
            return bool(self._matcher.match(request))
        url = str(request.url)
        return self._glob.match(url if self._query else url.partition("?")[0]) is not None


class FaultRule:
    """A fault with its schedule; the verbs return the rule, so they chain."""

    def __init__(
        self,
        where: Where,
        effect: Effect,
        *,
        stream: str,
        optional: bool = False,
        origin: str = "",
        added: Location | None = None,
    ) -> None:
        self.where = where
        self.effect = effect
        self.origin = origin
        self.added = added
        self.is_optional = optional
        self.seen = 0
        self.hits = 0
        self.fired: list[Hit] = []
        self._first: int | None = None
        self._probability: float | None = None
        self._random = random.Random(stream)
        self._lock = threading.Lock()

    def first(self, n: int) -> FaultRule:
        """Strike only the first `n` requests that it covers."""
        self._first = count(n)
        return self

    def probability(self, p: float) -> FaultRule:
        """Strike each request with this chance, drawn from the rule's own stream."""
        self._probability = share(p)
        return self

    def optional(self) -> FaultRule:
        """Do not fail the test when it never strikes."""
        self.is_optional = True
        return self

    @property
    def is_random(self) -> bool:
        """Does a draw decide whether it strikes?"""
        return self._probability is not None

    def covers(self, request: Any) -> bool:
        """Is this request meant?"""
        return self.where.covers(request)

    def strikes(self) -> bool:
        """Take note of one more covered request; does this one get the fault?"""
        with self._lock:
            self.seen += 1
            drawn = self._probability is None or self._random.random() < self._probability
            hit = drawn and (self._first is None or self.seen <= self._first)
            self.hits += hit
            return hit

    def __str__(self) -> str:
        words = [str(self.effect)]
        if self._first is not None:
            words.append(f"first={self._first}")
        if self._probability is not None:
            words.append(f"probability={self._probability:g}")
        return f"{self.where.text}: {', '.join(words)}"

    def __repr__(self) -> str:
        return f"<FaultRule {str(self)!r} hits={self.hits}>"
