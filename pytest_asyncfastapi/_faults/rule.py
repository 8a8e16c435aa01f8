"""One rule: where it applies, what it does, when it fires, how often it did.

A rule sees every request that it covers, in order, and decides from its
own random stream; nothing else influences it. Knows no HTTP library: a request
is anything with `method` and `url`.
"""

from __future__ import annotations

import copy
import math
import random
import re
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._core.units import seconds
from . import schedule, values
from .call_properties import NO_POOL, InFlight
from .schedule import Quota, ScheduleContext

if TYPE_CHECKING:
    from .._core.findings import Location
    from .call_properties import Pool
    from .effect import Effect
    from .schedule import Schedule


@dataclass(frozen=True, slots=True)
class Hit:
    """One request that a rule struck, and the client's budget that ended it.

    `budget` is `"read"`, `"connect"`, `"pool"` or empty; `limit` its seconds.
    """

    method: str
    url: str
    budget: str = ""
    limit: float | None = None


class RequestPattern:
    """The requests a rule covers: a URL glob, a respx route or a respx pattern.

    In a glob only `*` is special. A glob without a query covers any query, as
    a respx route does; one without a scheme begins with a host, `"pay.example"`.
    """

    def __init__(self, pattern: Any) -> None:
        self._matcher: Any = None
        self._glob: re.Pattern[str] | None = None
        self._query = False
        if isinstance(pattern, str):
            self.text: str = pattern
            self._query = "?" in pattern
            self._glob = re.compile(_glob(pattern), re.DOTALL)
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


def _glob(pattern: str) -> str:
    """The regular expression of a glob; of one without a scheme it is that of its host too."""
    if not pattern:
        raise ValueError(
            "'' does not say where: write a URL glob ('https://pay.example/*'), or '*'"
        )
    whole = re.escape(pattern).replace(r"\*", ".*")
    if "://" in pattern:
        return rf"{whole}\Z"
    host, slash, path = pattern.partition("/")
    named = re.escape(host).replace(r"\*", "[^/]*") or "[^/]+"
    port = "" if ":" in host else r"(?::\d+)?"
    rest = re.escape(slash + path).replace(r"\*", ".*") or "(?:/.*)?"
    return rf"(?:{whole}|\w+://{named}{port}{rest})\Z"


class FaultRule:
    """A fault with its schedule; the verbs return the rule, so they chain.

    Attributes:
        where: The calls that it is for.
        effect: What happens to them.
        origin: Who gave it; empty for the test itself.
        added: The line that added it, if it is known.
        is_optional: Whether the test passes when it never strikes.
        seen: How many of these calls reached it.
        hits: How many calls it struck.
        powerless: Why it could have no effect on a call that it covers; empty if it could.
        fired: The calls that it struck.

    Example:
        ```python
        rule = faults.on("https://pay.example/*").status(503).first(1)
        await asgi_client.post("/checkout")
        assert rule.hits == 1
        ```
    """

    def __init__(
        self,
        where: RequestPattern,
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
        self.is_optional: bool = optional
        self.seen: int = 0
        self.hits: int = 0
        self.powerless: str = ""  # why it could have no effect on a call that it covers
        self.fired: list[Hit] = []
        self._stream = stream
        self._schedules: list[Schedule] = []
        self._unused: list[Schedule] = []  # the same, as they were before the first request
        self._lock = threading.Lock()
        self._restart()

    def _restart(self, seed: int | None = None) -> None:
        """Begin again, as if no request had been seen; the draws are those of `seed`, if given."""
        stream = self._stream if seed is None else f"{self._stream}/{seed}"
        self._random = random.Random(stream)
        # Its own stream, so that a delay drawn does not change who is struck.
        self._delays = random.Random(f"{stream}/delay")
        self._schedules = copy.deepcopy(self._unused)
        self._out = InFlight()

    # When. Each verb lets some of the calls that reach it through to the next.

    def _when(self, item: Schedule) -> FaultRule:
        self._unused.append(copy.deepcopy(item))
        self._schedules.append(item)
        return self

    def first(self, n: int) -> FaultRule:
        """Strike only the first requests that get this far.

        Args:
            n: How many, 1 or more.

        Returns:
            This rule; a call of another schedule narrows it further.

        Raises:
            ValueError: If `n` is not a count.

        Example:
            ```python
            faults.on("https://pay.example/*").status(503).first(2)
            ```
        """
        return self._when(schedule.First(values.count(n)))

    def after(self, n: int) -> FaultRule:
        """Spare the first requests that get this far.

        Args:
            n: How many, 1 or more.

        Returns:
            This rule.

        Raises:
            ValueError: If `n` is not a count.
        """
        return self._when(schedule.After(values.count(n)))

    def every(self, n: int) -> FaultRule:
        """Strike every `n`-th request that gets this far.

        Args:
            n: The distance, 1 or more.

        Returns:
            This rule.

        Raises:
            ValueError: If `n` is not a count.
        """
        return self._when(schedule.Every(values.count(n)))

    def nth(self, *numbers: int) -> FaultRule:
        """Strike the requests with these numbers.

        Args:
            *numbers: Numbers of requests, from 1.

        Returns:
            This rule.

        Raises:
            ValueError: If one of them is not a count.
        """
        return self._when(schedule.Nth(tuple(values.count(n) for n in numbers)))

    def between(self, begin: float | str, end: float | str) -> FaultRule:
        """Strike in this window of time, on the clock in force.

        Args:
            begin: Since the test began: seconds, or `"10s"`.
            end: Since the test began, not before `begin`.

        Returns:
            This rule.

        Raises:
            ValueError: If one of them is not a duration, or the window ends before it begins.
        """
        span = values.in_order(seconds(begin), seconds(end))
        return self._when(schedule.Between(*span))

    def flapping(self, on: float | str, off: float | str) -> FaultRule:
        """Strike for a time, spare for a time, and again, from the test's begin.

        Args:
            on: How long it strikes: seconds, or `"5s"`.
            off: How long it spares.

        Returns:
            This rule.

        Raises:
            ValueError: If one of them is not a duration above 0.
        """
        return self._when(schedule.Flapping(values.positive(on), values.positive(off)))

    def ramp(self, over: float | str) -> FaultRule:
        """Strike with a chance that grows from 0 to 1.

        Args:
            over: The time in which it grows: seconds, or `"1m"`.

        Returns:
            This rule.

        Raises:
            ValueError: If `over` is not a duration above 0.
        """
        return self._when(schedule.Ramp(values.positive(over)))

    def probability(self, p: float) -> FaultRule:
        """Strike each request with this chance, drawn from the rule's own stream.

        Args:
            p: A number above 0, up to 1.

        Returns:
            This rule.

        Raises:
            ValueError: If `p` is not such a number.
        """
        return self._when(schedule.Chance(values.probability(p)))

    def concurrency(self, n: int) -> FaultRule:
        """Strike the requests beyond so many in flight.

        Args:
            n: How many are spared, 1 or more.

        Returns:
            This rule.

        Raises:
            ValueError: If `n` is not a count.
        """
        return self._when(schedule.Concurrency(values.count(n)))

    def quota(self, n: int, per: float | str) -> FaultRule:
        """Strike the requests beyond so many in a window; a status says when to retry.

        Args:
            n: How many are spared in each window, 1 or more.
            per: The length of the window: seconds, or `"1s"`.

        Returns:
            This rule.

        Raises:
            ValueError: If `n` is not a count, or `per` not a duration above 0.
        """
        return self._when(Quota(*values.pieces((n, per))))

    def optional(self) -> FaultRule:
        """Do not fail the test when it never strikes.

        Returns:
            This rule.
        """
        self.is_optional = True
        return self

    @property
    def _is_random(self) -> bool:
        """Does a draw decide whether it strikes?"""
        return any(isinstance(item, schedule.RANDOM) for item in self._schedules)

    def covers(self, request: Any) -> bool:
        """Whether this request is meant.

        Args:
            request: Anything with `method` and `url`.

        Returns:
            True if it is.
        """
        secure = not self.effect.needs_tls or str(request.url).startswith(("https:", "wss:"))
        return secure and self.where.covers(request)

    @property
    def _counts_open(self) -> bool:
        """Does it matter to it how long a request is in flight?"""
        return any(isinstance(item, schedule.Concurrency) for item in self._schedules)

    def _strikes(
        self, now: float = 0.0, *, again: bool = False, pool: Pool = NO_POOL
    ) -> Effect | None:
        """Take note of one more covered request; what it gets, or nothing.

        `now` is seconds since the test began; `again` says that it is a
        further attempt to connect, for a request that is counted already; `pool` the one of the
        client, beyond whose size nothing is in flight.
        """
        with self._lock:
            self.seen += 1
            out = self._out.total if again else self._out.enter(pool)
            moment = ScheduleContext(now, out, self._random)
            if not all(item.passes(moment) for item in self._schedules):
                return None
            self.hits += 1
            return self._timed(self.effect.drawn(self._delays), now)

    def _timed(self, effect: Effect, now: float) -> Effect:
        if not effect.kind.is_answer or effect.retry_after:
            return effect
        left = [item.left(now) for item in self._schedules if isinstance(item, Quota)]
        return replace(effect, retry_after=str(math.ceil(max(left)))) if left else effect

    def _unstrike(self, why: str) -> None:
        """It turned out that it had no effect on a request that it struck."""
        with self._lock:
            self.hits -= 1
            self.powerless = why

    def _take_back_hit(self) -> None:
        """The hit is counted later, when the fault takes place."""
        self.hits -= 1

    def leave(self, pool: Pool = NO_POOL) -> None:
        """A covered request is no longer in flight.

        Args:
            pool: The connection pool that it was sent by; counted apart.
        """
        with self._lock:
            self._out.leave(pool)

    def __str__(self) -> str:
        words = [str(self.effect), *map(str, self._schedules)]
        return f"{self.where.text}: {', '.join(words)}"

    def __repr__(self) -> str:
        return f"<FaultRule {str(self)!r} hits={self.hits}>"
