"""All the rules of one test, and what they decide for one request.

Several rules may strike one request: delays add up, and the first ending in
order wins. The rules that the test itself adds come before those of the
command line and the configuration.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .._core.clock_origins import ClockOrigins
from .builder import FaultPoint
from .call_properties import NO_POOL, UNKNOWN
from .connections import Server, is_connection
from .dependency import DependencyPoint
from .effect import Effect, combine
from .grammar import FaultSpec, load_exception, parse
from .incomplete import IncompleteFaults
from .keywords import PREFIX
from .parts import FaultGroups
from .plan import FaultPlan, unused
from .rule import FaultRule, RequestPattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.findings import Finding
    from .._core.frames import UserCode
    from .call_properties import CallProperties, Pool

# The origin of the one rule that a sweep places in a run.
SWEEP = "the sweep"


class Faults(FaultGroups):
    """The faults of one test: `faults.on("https://pay.example/*").latency("3s")`.

    Every draw comes from a stream derived from (seed, test, rule), so the same
    seed gives the same faults, alone or under xdist. `needs_clock` is called
    when a rule that waits is added or strikes.
    """

    def __init__(self, seed: int = 0, test: str = "", *, user_code: UserCode | None = None) -> None:
        super().__init__(seed, test, user_code)
        self._own: list[FaultRule] = []
        self._given: list[FaultRule] = []
        self._same: dict[str, int] = {}
        self._forgotten = IncompleteFaults()
        self._lasting: int | None = None  # how many of its own rules outlive a `renew()`
        self._out: dict[int, tuple[list[FaultRule], Pool]] = {}
        self._clock_origins = ClockOrigins()  # the test's own, where there is one

    def dependency(self, dependency: Any) -> DependencyPoint:
        """Select a dependency of the app: the faults of what is returned are for it.

        Args:
            dependency: The function or class that the app gives to `Depends()`.

        Returns:
            A point with the faults that a dependency can have.

        Raises:
            TypeError: If `dependency` cannot be called.

        Example:
            ```python
            faults.dependency(get_db).latency("2s")
            ```
        """
        point = self.dependencies.at(dependency)
        call = f"faults.dependency({getattr(dependency, '__name__', dependency)})"
        watched: DependencyPoint = self._forgotten.watch(
            call, self.user_code, lambda add: DependencyPoint(dependency, add), point._add
        )
        return watched

    def on(self, pattern: Any) -> FaultPoint:
        """Select calls: the faults of what is returned are for them.

        Args:
            pattern: A URL glob (`"*"` is every HTTP call), a respx route or pattern; or the address
                of another server: `"redis://*"`, `"postgresql://db:5432"`, `"tcp://db:1"`.

        Returns:
            A point with the faults that a call can have.

        Raises:
            TypeError: If `pattern` is none of these.
            ValueError: If `pattern` is empty.

        Example:
            ```python
            faults.on("https://pay.example/*").read_timeout().first(2)
            ```
        """
        where = _where(pattern)
        call = f"faults.on({where.text!r})"
        point: FaultPoint = self._forgotten.watch(
            call,
            self.user_code,
            lambda add: FaultPoint(where.text, add),
            lambda effect, optional: self._add(where, effect, optional),
        )
        return point

    def add(self, text: str, *, optional: bool = False) -> FaultRule:
        """Add a fault in one line, as the marker and the flag take it.

        Args:
            text: The calls, a colon, and the fault with its schedule.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule.

        Raises:
            FaultSpecError: If the text cannot be read; it points at the character.
            TypeError: If `text` is not text.

        Example:
            ```python
            faults.add("https://pay.example/*: read_timeout, first=2")
            ```
        """
        if not isinstance(text, str):
            raise TypeError(
                f"faults.add({text!r}): write the fault as text, such as "
                'faults.add("https://pay.example/*: read_timeout, first=2")'
            )
        return self._add_spec(text, optional=optional, origin="")

    def give(self, pattern: Any, effect: Effect, *, origin: str) -> FaultRule:
        """Add a rule that need not strike and that the test has not written.

        Args:
            pattern: The calls, as for `on`.
            effect: What happens to them.
            origin: Who added it, for messages.

        Returns:
            The rule.
        """
        return self._add(_where(pattern), effect, True, origin=origin)

    def _add_spec(
        self, text: str | FaultSpec, *, optional: bool = False, origin: str = "marker"
    ) -> FaultRule:
        """Add a rule written in the grammar; raises `FaultSpecError`.

        `origin` says where it was written, for messages.
        """
        spec = parse(text) if isinstance(text, str) else text
        rule: FaultRule
        if spec.pattern.startswith(PREFIX):
            error = load_exception(spec)
            optional = optional or spec.optional
            rule = self.dependencies._add_spec(spec, error, optional=optional, origin=origin)
        else:
            rule = self._add_to_calls(spec, optional, origin)
        for verb, values in spec.schedules:
            getattr(rule, verb)(*values)
        return rule

    def _add_to_calls(self, spec: FaultSpec, optional: bool, origin: str) -> FaultRule:
        return self._add(
            _where(spec.pattern), spec.effect, optional or spec.optional, origin=origin
        )

    def _add(
        self, where: RequestPattern, effect: Effect, optional: bool, *, origin: str = ""
    ) -> FaultRule:
        if isinstance(where, Server):
            return self.connections.add(where, effect, optional, origin=origin)
        text = f"{where.text}: {effect}"
        nth = self._same[text] = self._same.get(text, 0) + 1
        added = None
        if self.user_code is not None and not origin:
            added = self.user_code.where(sys._getframe())
        rule = FaultRule(
            where,
            effect,
            stream=f"{self.seed}/{self.test}/{text}/{nth}",
            optional=optional,
            origin=origin,
            added=added,
        )
        (self._given if origin else self._own).append(rule)
        self._wants_clock(effect)
        return rule

    def decide(
        self,
        request: Any,
        now: float | None = None,
        clock: str = "",
        setting: CallProperties = UNKNOWN,
    ) -> FaultPlan | None:
        """What happens to this request.

        `finished` has to follow for every request decided on.

        Args:
            request: Anything with `method` and `url`.
            now: Seconds on the clock in force; None: the start of the test.
            clock: The name of the clock in force; the clocks start with the test.
            setting: What is known of the call. A rule that can have no effect in it does not see
                the request.

        Returns:
            The combined effect, with the rules that struck; None if no rule did.
        """
        since = self._since(now, clock)
        struck: list[tuple[FaultRule, Effect]] = []
        asked: list[FaultRule] = []
        ended = False
        for rule in self:
            if ended and rule.effect.ending:
                continue
            if not rule.covers(request):
                continue
            if why := rule.effect.powerless(setting):
                rule.powerless = why
                continue
            asked.append(rule)
            effect = rule._strikes(since, pool=setting.pool)
            if effect is not None:
                struck.append((rule, effect))
                ended = ended or bool(effect.ending)
        if asked:
            self._out[id(request)] = asked, setting.pool
        if not struck:
            return None
        effect = combine(item for _, item in struck) if len(struck) > 1 else struck[0][1]
        self._wants_clock(effect)
        return FaultPlan(effect, tuple(struck))

    def _decide_again(
        self,
        request: Any,
        plan: FaultPlan,
        now: float | None = None,
        clock: str = "",
        setting: CallProperties = UNKNOWN,
    ) -> FaultPlan:
        """What happens to this request as the client connects once more for it.

        A rule about the connection counts the attempt; every other one keeps
        to what it has decided, or decides now if an earlier ending came first.
        """
        since = self._since(now, clock)
        kept = dict(plan.struck)
        asked, pool = self._out.setdefault(id(request), ([], setting.pool))
        struck: list[tuple[FaultRule, Effect]] = []
        ended = False
        for rule in self:
            if (ended and rule.effect.ending) or rule.effect.waits_for_pool:
                continue
            effect = None
            if rule not in asked:
                if rule.covers(request) and not rule.effect.powerless(setting):
                    asked.append(rule)
                    effect = rule._strikes(since, pool=pool)
            elif rule.effect.counts_attempts:
                effect = rule._strikes(since, again=True)
            else:
                effect = kept.get(rule)
            if effect is not None:
                struck.append((rule, effect))
                ended = ended or bool(effect.ending)
        plan.account.extend(rule for rule, _ in struck)
        effect = combine(item for _, item in struck)
        self._wants_clock(effect)
        return FaultPlan(effect, tuple(struck), plan.account)

    def _since(self, now: float | None, clock: str = "") -> float:
        return 0.0 if now is None else now - self._clock_origins.of(clock, now)

    def _counts_open(self, request: Any) -> bool:
        """Is this request in flight, for some rule, until its response is closed?"""
        found = self._out.get(id(request))
        return found is not None and any(rule._counts_open for rule in found[0])

    def finished(self, request: Any) -> None:
        """This request is no longer in flight.

        Args:
            request: The same object as `decide` was given.
        """
        asked, pool = self._out.pop(id(request), ((), NO_POOL))
        for rule in asked:
            rule.leave(pool)

    def _wants_clock(self, effect: Effect) -> None:
        if effect.takes_time:
            self._wait()

    @property
    def _in_bodies(self) -> bool:
        """Does it matter to one of the rules whether an answer has a body?"""
        return any(rule.effect.in_body for rule in self)

    @property
    def _is_random(self) -> bool:
        """Does a draw decide whether one of the rules strikes, or for how long?"""
        others = (rule for part in self._groups.values() for rule in part)
        return any(rule._is_random or rule.effect.spread for rule in (*self, *others))

    def _restart(self, seed: int | None, now: float) -> None:
        """Begin again: counts, windows (from `now` on) and draws (of `seed`, if given).

        For who runs one scenario many times in a test: rules that were added since
        the first call are dropped, the others are as if no request had been seen.
        """
        if self._lasting is None:
            self._lasting = len(self._own)
        del self._own[self._lasting :]
        if seed is None:
            self._lasting = None
        self._clock_origins = ClockOrigins.at(now)
        self._out.clear()
        for rule in self:
            rule._restart(seed)
        for part in self._groups.values():
            part._restart(seed)

    @contextmanager
    def _temporary_rules(self) -> Iterator[None]:
        """Rules that are given (not the test's own) in this block are taken back at its end."""
        given, same = list(self._given), dict(self._same)
        take_back = self.connections.lend()
        try:
            yield
        finally:
            self._given[:], self._same = given, same
            take_back()

    @property
    def _fill_pools(self) -> bool:
        """Do calls that no rule strikes wait for a connection too?

        Not where a sweep has placed its one fault, and the test has none.
        """
        return any(rule.origin != SWEEP for rule in self)

    def findings(self) -> list[Finding]:
        """The rules that should have struck and never did.

        Returns:
            A finding for each, and one for each `faults.on(...)` without a fault.
        """
        # A draw that spared every call is luck, not a mistake: the rule was evaluated.
        return [
            *self._forgotten.findings(self.test),
            *(finding for part in self._groups.values() for finding in part.findings()),
            *(
                unused(rule, self.test)
                for rule in self
                if not (rule.hits or rule.is_optional or (rule._is_random and rule.seen))
            ),
        ]

    def __iter__(self) -> Iterator[FaultRule]:
        return iter([*self._own, *self._given])

    def __len__(self) -> int:
        return len(self._own) + len(self._given)

    def __repr__(self) -> str:
        return f"<Faults seed={self.seed} rules={len(self)}>"


def _where(pattern: Any) -> RequestPattern:
    return Server(pattern) if is_connection(pattern) else RequestPattern(pattern)
