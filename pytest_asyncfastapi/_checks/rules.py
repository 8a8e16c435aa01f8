"""The checks by name, the rules that allow what is intended, and a finding in their words."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .._core.findings import Finding

if TYPE_CHECKING:
    from .._core.findings import Location, Severity

    Word = Literal["fail", "warn", "off"]

KINDS = (
    *("no-timeout", "default-timeout", "fan-out", "unsafe-retry", "swallowed"),
    *("connection", "transaction", "repeated-statement", "lazy-load"),
)
_RULE = re.compile(r"(?P<kind>[a-z-]+)(?:@(?P<module>[\w.]+))?\Z")


@dataclass(frozen=True, slots=True)
class CheckRule:
    """`no-timeout` or `no-timeout@shop.payments`: what is intended, everywhere or in one module."""

    kind: str
    module: str

    def matches(self, finding: Finding) -> bool:
        """Does it allow this finding?"""
        if self.kind != finding.kind:
            return False
        inside = "" if finding.where is None else module_of(finding.where)
        return not self.module or f".{self.module}." in f".{inside}."


def as_rule(text: str) -> CheckRule:
    """Read a rule. Raises `ValueError` with one sentence."""
    match = _RULE.match(text.strip())
    if match is None or match["kind"] not in KINDS:
        raise ValueError(
            f"{text!r} allows nothing: write one of {', '.join(KINDS)}, or with the module of the "
            "line, such as 'no-timeout@shop.payments'"
        )
    return CheckRule(match["kind"], match["module"] or "")


def as_word(text: str) -> tuple[str, str]:
    """Read `KIND=WORD`. Raises `ValueError` with one sentence."""
    kind, _, word = (part.strip() for part in text.partition("="))
    if kind not in KINDS or word not in ("fail", "warn", "off"):
        raise ValueError(
            f"{text!r} is not CHECK=WORD with one of {', '.join(KINDS)} and fail, warn or off"
        )
    return kind, word


@dataclass(frozen=True, slots=True)
class Policy:
    """What each check does in one test, what is allowed, and how many are too many.

    `mode` holds for all checks but those in `kinds`; `fan_out` is a number of calls,
    `statements` one of equal statements.
    """

    mode: str
    kinds: tuple[tuple[str, str], ...] = ()
    allow: tuple[str, ...] = ()
    fan_out: int = 50
    statements: int = 10
    test: str = ""

    def word(self, kind: str) -> str:
        """`fail`, `warn` or `off`."""
        return dict(self.kinds).get(kind, self.mode)

    @property
    def watches(self) -> bool:
        """Is any check on?"""
        return any(self.word(kind) != "off" for kind in KINDS)

    def sorted_out(self, found: list[Finding]) -> list[Finding]:
        """What is left of the findings: none that is off or allowed."""
        rules = [as_rule(text) for text in self.allow]
        return [
            item
            for item in found
            if self.word(item.kind) != "off" and not any(rule.matches(item) for rule in rules)
        ]

    def finding(
        self,
        kind: str,
        title: str,
        where: Location | None,
        activity: str,
        *,
        why: str,
        remedy: str,
        evidence: str = "",
    ) -> Finding:
        """A finding of one check, with the line that allows it."""
        inside = "" if where is None else module_of(where)
        severity: Severity = "error" if self.word(kind) == "fail" else "warning"
        return Finding(
            kind=kind,
            title=title,
            where=where,
            activity=activity,
            why=why,
            remedy=remedy,
            evidence=evidence,
            allow=f"asyncfastapi_allow_checks = {kind}@{inside}" if inside else "",
            severity=severity,
            test=self.test,
        )


def module_of(where: Location) -> str:
    """The module of a line, as its path says: `shop.payments` of `src/shop/payments.py`."""
    path = where.path.removesuffix(".py").removesuffix(os.sep + "__init__")
    parts = [part for part in re.split(r"[\\/]", path) if part]
    if os.path.isabs(where.path):
        parts = parts[-1:]
    if parts[:1] == ["src"]:
        del parts[0]
    return ".".join(part for part in parts if part != "..")
