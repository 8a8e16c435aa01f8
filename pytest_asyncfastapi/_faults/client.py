"""Faults on the way in: the client leaves, dribbles its upload, or reads slowly.

`faults.client.disconnect(after="50ms")`, with the schedules of every rule:
`.first(2)`, `.probability(0.5)`, `.optional()`. This package decides; the client
package carries it out and says when it has happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._core.current_loop import now_with_clock
from .._core.units import seconds, show
from .call_properties import NO_POOL
from .effect import Effect
from .rule import FaultRule, RequestPattern
from .rule_table import RuleTable
from .schedule import Concurrency
from .values import count

if TYPE_CHECKING:
    from .call_properties import Pool

POINTS = ("request", "start", "first_byte")


@dataclass(frozen=True, slots=True)
class ClientEffect:
    """What goes wrong with one request, as plain data; durations in seconds."""

    leave_at: str = ""
    leave_after: float | None = None
    leave_after_bytes: int | None = None
    upload_chunks: int = 0
    upload_over: float = 0.0
    read_delay: float = 0.0

    @property
    def kind(self) -> str:
        """`disconnect`, `slow_upload` or `slow_reader`."""
        if self.upload_chunks:
            return "slow_upload"
        return "slow_reader" if self.read_delay else "disconnect"

    @property
    def takes_time(self) -> bool:
        """Does it wait for anything, so that virtual time pays off?"""
        return bool(self.leave_after or self.upload_over or self.read_delay)

    def __str__(self) -> str:
        if self.upload_chunks:
            return f"slow_upload(chunks={self.upload_chunks}, over={_short(self.upload_over)})"
        if self.read_delay:
            return f"slow_reader(delay={_short(self.read_delay)})"
        if self.leave_after is not None:
            return f"disconnect(after={_short(self.leave_after)})"
        if self.leave_after_bytes is not None:
            return f"disconnect(after_bytes={self.leave_after_bytes})"
        return f"disconnect(at={self.leave_at!r})"


def _short(duration: float) -> str:
    return repr(show(duration).replace(" ", ""))


class ClientRule(FaultRule):
    """A fault on requests of `asgi_client`; `hits` counts those in which it happened."""

    def __init__(
        self, path: str, client: ClientEffect, *, stream: str, optional: bool, added: Any
    ) -> None:
        super().__init__(
            RequestPattern(path), Effect(), stream=stream, optional=optional, added=added
        )
        self.client = client
        self.struck: int = 0

    @property
    def _counts_in_flight(self) -> bool:
        """Does it matter to it when a request ends?"""
        return any(isinstance(item, Concurrency) for item in self._schedules)

    def covers(self, request: Any) -> bool:
        """Whether this request is meant: by its path; one that sends nothing has no slow upload.

        Args:
            request: Anything with `url.path` and `headers`.

        Returns:
            True if it is.
        """
        if self.client.upload_chunks and not _uploads(request):
            return False
        return self.where.covers(_PathOf(request.url.path))

    def _strikes(
        self, now: float = 0.0, *, again: bool = False, pool: Pool = NO_POOL
    ) -> Effect | None:
        """Take note of one more request; is it to get the fault?"""
        struck = super()._strikes(now)
        if struck is not None:
            self._take_back_hit()  # counted when it happens: a response may be faster
            self.struck += 1
        return struck

    def __str__(self) -> str:
        return super().__str__().replace(str(self.effect), str(self.client), 1)


@dataclass(frozen=True, slots=True)
class _PathOf:
    url: str


def _uploads(request: Any) -> bool:
    headers = request.headers
    return (
        "transfer-encoding" in headers
        or headers.get("content-length", "0") != "0"
        or headers.get("upgrade") == "websocket"
    )


class ClientFaultPlan:
    """What happens to one request, from the rules that strike it; `asked` are all that cover it."""

    def __init__(self, rules: list[ClientRule], asked: list[ClientRule]) -> None:
        self._asked = asked
        self._by_kind: dict[str, ClientRule] = {}
        effect = ClientEffect()
        for rule in rules:
            # Of each kind the first rule counts, as with the endings on the way out.
            if self._by_kind.setdefault(rule.client.kind, rule) is not rule:
                continue
            given = {
                name: value
                for name in ClientEffect.__slots__
                if (value := getattr(rule.client, name)) not in ("", None, 0)
            }
            effect = replace(effect, **given)
            if rule.client.leave_after == 0:
                effect = replace(effect, leave_after=0.0)
        self._strikes = bool(rules)
        self.around: Any = None  # a sweep's, which makes the client leave where no rule can
        self._happened: set[str] = set()
        self.leave_at: str = effect.leave_at
        self.leave_after: float | None = effect.leave_after
        self.leave_after_bytes: int | None = effect.leave_after_bytes
        self.upload_chunks: int = effect.upload_chunks
        self.upload_over: float = effect.upload_over
        self.read_delay: float = effect.read_delay

    def record(self, what: str) -> str:
        """Take note that a fault of this kind took place; returns how it was written."""
        rule = self._by_kind.get(what)
        if rule is None:
            return f"{what}, by a sweep"
        if what not in self._happened:
            self._happened.add(what)
            rule.hits += 1
        return f"faults.client.{rule.client}"

    def over(self) -> None:
        """The request is no longer in flight."""
        asked, self._asked = self._asked, []
        for rule in asked:
            rule.leave()


class ClientFaults(RuleTable[ClientRule]):
    """The faults on the way in of one test: `faults.client`."""

    _kind = "client"
    _remedy = "correct the path or the moment, or mark it .optional()"

    def disconnect(
        self,
        *,
        after: float | str | None = None,
        after_bytes: int | None = None,
        at: str | None = None,
        path: str = "*",
        optional: bool = False,
    ) -> ClientRule:
        """The client leaves; the caller gets the library's `ReadError`.

        One of `after`, `after_bytes` and `at` says when. A WebSocket loses its connection: after a
        duration from the handshake; after so many bytes of messages; or once the handshake is sent,
        accepted, or the first message there.

        Args:
            after: A duration from the request: seconds, or `"50ms"`.
            after_bytes: A number of bytes of the response body.
            at: `"request"` (it sends its request and is gone), `"start"` (it has the status and
                headers) or `"first_byte"`.
            path: A glob of the request's path.
            optional: Do not fail the test if no request gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            TypeError: Unless exactly one of `after`, `after_bytes` and `at` is given.
            ValueError: If `at` is none of the three, `after` not a duration, or `after_bytes` not a
                count.

        Example:
            ```python
            faults.client.disconnect(at="first_byte", path="/export")
            ```
        """
        given = [name for name in (after, after_bytes, at) if name is not None]
        if len(given) != 1:
            raise TypeError(
                "faults.client.disconnect() takes exactly one of after=, after_bytes= and at=, "
                f'such as disconnect(after="50ms"); got {len(given)} of them'
            )
        if at is not None and at not in POINTS:
            raise ValueError(f"at={at!r} must be one of {', '.join(POINTS)}")
        effect = ClientEffect(
            leave_at=at or "",
            leave_after=None if after is None else seconds(after),
            leave_after_bytes=None if after_bytes is None else count(after_bytes),
        )
        return self._add(path, effect, optional)

    def slow_upload(
        self,
        *,
        chunks: int = 10,
        over: float | str = "1s",
        path: str = "*",
        optional: bool = False,
    ) -> ClientRule:
        """The request's body arrives in pieces, over a duration.

        A message of a WebSocket reaches an app whole: it arrives `over` late, in its order.

        Args:
            chunks: The number of pieces, 1 or more.
            over: The time from the first to the last: seconds, or `"1s"`.
            path: A glob of the request's path.
            optional: Do not fail the test if no request gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `chunks` is not a count, or `over` not a duration above 0.

        Example:
            ```python
            faults.client.slow_upload(chunks=20, over="3s", path="/files/*")
            ```
        """
        effect = ClientEffect(
            upload_chunks=count(chunks), upload_over=_positive_duration(over, "over")
        )
        return self._add(path, effect, optional)

    def slow_reader(
        self, *, delay: float | str = "10ms", path: str = "*", optional: bool = False
    ) -> ClientRule:
        """The client reads each chunk or message late: the app's `send()` waits.

        Args:
            delay: How late: seconds, or `"10ms"`.
            path: A glob of the request's path.
            optional: Do not fail the test if no request gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `delay` is not a duration above 0.
        """
        return self._add(
            path, ClientEffect(read_delay=_positive_duration(delay, "delay")), optional
        )

    def _add(self, path: str, effect: ClientEffect, optional: bool) -> ClientRule:
        added = self._added_at()
        stream = f"{self._stream}/{path}: {effect}/{len(self._rules)}"
        rule = ClientRule(path, effect, stream=stream, optional=optional, added=added)
        return self._add_rule(rule, takes_time=effect.takes_time)

    def decide(self, request: Any) -> ClientFaultPlan | None:
        """What goes wrong with this request.

        Args:
            request: Anything with `url.path` and `headers`.

        Returns:
            The faults; its `over()` has to be called when the request is no longer in flight. None
            if nothing goes wrong.
        """
        if not self._rules:
            return None
        asked = [rule for rule in self._rules if rule.covers(request)]
        now = self._since(*now_with_clock())
        plan = ClientFaultPlan([rule for rule in asked if rule._strikes(now) is not None], asked)
        if plan._strikes or any(rule._counts_in_flight for rule in asked):
            return plan
        plan.over()
        return None

    def _why_unused(self, rule: ClientRule) -> str:
        seen = f"its schedule selected none of the {rule.seen} that it saw"
        if rule.struck:
            seen = f"it saw {rule.seen} of them, and each was over before the fault was due"
        return seen if rule.seen else "no request of asgi_client was one that it is for"


def _positive_duration(duration: float | str, name: str) -> float:
    value = seconds(duration)
    if not value:
        raise ValueError(f"{name}={duration!r} must be more than 0, such as '10ms'")
    return value
