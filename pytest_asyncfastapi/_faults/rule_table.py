"""What the tables of faults on the way in, on dependencies and on connections have in common."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from .plan import never_struck
from .rule import FaultRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._core.findings import Finding, Location
    from .._core.frames import UserCode

R = TypeVar("R", bound=FaultRule)


class RuleTable(ABC, Generic[R]):
    """The rules of one kind of fault, of one test. `_on_change` is called when one is added.

    `wait` is called for a rule that takes time, so that the time is virtual; `since` turns the
    time (s) on a clock into that since the test's first look at it.
    """

    _kind = ""
    _remedy = ""  # where a rule never strikes
    _on_change: Callable[[], None] | None = None

    def __init__(
        self,
        seed: int,
        test: str,
        user_code: UserCode | None,
        wait: Callable[[], None],
        since: Callable[[float, str], float],
    ) -> None:
        self._stream = f"{seed}/{test}/{self._kind}"
        self._test = test
        self._user_code = user_code
        self._wait = wait
        self._since = since
        self._rules: list[R] = []

    def _added_at(self, origin: str = "") -> Location | None:
        """The line of the test that adds a rule; None for one of a marker or flag."""
        if self._user_code is None or origin:
            return None
        return self._user_code.where(sys._getframe())

    def _add_rule(self, rule: R, *, takes_time: bool) -> R:
        self._rules.append(rule)
        if takes_time:
            self._wait()
        if self._on_change is not None:
            self._on_change()
        return rule

    def _restart(self, seed: int | None) -> None:
        """Begin again, as if nothing had been seen."""
        for rule in self._rules:
            rule._restart(seed)

    def findings(self) -> list[Finding]:
        """The rules that should have struck and never did.

        Returns:
            A finding for each.
        """
        return [
            never_struck(
                rule,
                self._test,
                self._why_unused(rule),
                what=f"{self._kind} fault",
                remedy=self._remedy,
            )
            for rule in self
            if not (rule.hits or rule.is_optional or (rule._is_random and rule.seen))
        ]

    @abstractmethod
    def _why_unused(self, rule: R) -> str:
        """Why this rule never struck, as far as that is known."""

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._rules))

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} rules={len(self)}>"
