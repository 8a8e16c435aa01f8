"""What the rules say about one request, and the finding of a rule that never struck."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._core.findings import Finding
from .call_properties import UNKNOWN, WITHOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .effect import Effect
    from .rule import FaultRule, Hit

# What to do about a rule that need not strike, in code or in the grammar.
OPTIONAL = "or mark it: .optional() / ', optional'"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What happens to one request, and the rules that said so, each with its part.

    `account` holds the rules of all attempts to connect.
    """

    effect: Effect
    struck: tuple[tuple[FaultRule, Effect], ...]
    account: list[FaultRule] = field(default_factory=list, compare=False)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules that struck."""
        return tuple(rule for rule, _ in self.struck)

    def record_outcome(self, hit: Hit, body: Callable[[], str] = str) -> None:
        """Write the outcome into the account of each rule that can have had an effect.

        `body` says what the answer has of one, in the words of `CallProperties`.
        """
        rules = dict.fromkeys((*self.rules, *self.account))
        for rule, effect in self.struck:
            if effect.in_body and (why := effect.powerless(WITHOUT.get(body(), UNKNOWN))):
                rule._unstrike(why)
                rules.pop(rule, None)
        for rule in rules:
            rule.fired.append(hit)

    def __str__(self) -> str:
        return "; ".join(str(rule) for rule in self.rules)


def unused(rule: FaultRule, test: str) -> Finding:
    """A rule that should have struck and never did: why, as far as that is known."""
    if rule.powerless:
        calls = f"it can have no effect on the calls that it covers: {rule.powerless}"
    elif rule.seen:
        calls = f"its schedule selected none of the {rule.seen} that it saw"
    else:
        secure = "https " if rule.effect.needs_tls else ""
        calls = f"no {secure}call to it was made"
    remedy = f"correct the pattern or the schedule, {OPTIONAL}"
    return never_struck(rule, test, given_by(rule, calls), remedy=remedy)


def given_by(rule: FaultRule, evidence: str) -> str:
    """The evidence, and who gave the rule."""
    return f"{evidence}; it was given by {rule.origin or 'the test'}"


def never_struck(
    rule: FaultRule, test: str, evidence: str, *, what: str = "fault", remedy: str
) -> Finding:
    """The finding of a rule that should have struck."""
    return Finding(
        kind="unused-fault",
        title=f"{what} never hit: {rule}",
        where=rule.added,
        why="the fault that the test is about did not happen",
        remedy=remedy,
        evidence=evidence,
        test=test,
    )
