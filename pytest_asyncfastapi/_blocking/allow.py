"""Allow rules: which blocking calls are intended, as one line of text.

Four forms, `*` allowed in each: `module:function` (anywhere on the stack),
`category@module`, `category`, or a callable's name (`open`, `time.sleep`).
This module knows nothing of where rules come from (ini, marker, context).
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from .catalog import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class AllowRule:
    """One rule; `source` says who wrote it, for the report of unused rules."""

    text: str
    reason: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError(
                "an allow rule is empty: write 'module:function', 'category@module', "
                "a category or a callable's name"
            )
        category, at, module = self.text.partition("@")
        if at and (not module or ("*" not in category and category not in CATEGORIES)):
            raise ValueError(
                f"{self.text!r} is not an allow rule: before the @ stands a category "
                f"({', '.join(sorted(CATEGORIES))}), after it a module"
            )

    def matches(self, category: str, names: Iterable[str], labels: Iterable[str]) -> bool:
        """Does this rule allow a call of these names below these `module:function` frames?"""
        kind, at, module = self.text.partition("@")
        if at:
            return fnmatchcase(category, kind) and any(
                _module_matches(label, module) for label in labels
            )
        if ":" in self.text:
            return any(_label_matches(label, self.text) for label in labels)
        return any(fnmatchcase(name, self.text) for name in (category, *names) if name)

    def __str__(self) -> str:
        return self.text


# A stack has dozens of labels, and the same ones in each call that is found.
@lru_cache(maxsize=1 << 15)
def _module_matches(label: str, module: str) -> bool:
    return fnmatchcase(label.partition(":")[0], module)


@lru_cache(maxsize=1 << 15)
def _label_matches(label: str, rule: str) -> bool:
    # The bare function name is enough for methods and inner functions.
    module, _, qualname = label.partition(":")
    return fnmatchcase(label, rule) or fnmatchcase(f"{module}:{qualname.rpartition('.')[2]}", rule)


def parse_rule(rule: AllowRule | str, source: str = "") -> AllowRule:
    """Take a rule as text or as it is."""
    return rule if isinstance(rule, AllowRule) else AllowRule(rule.strip(), source=source)


# What `with guard.allow(...)` allows in this context and in what it starts:
# (the rule, the id of the guard that it belongs to). Other requests keep theirs.
ALLOWED_HERE: ContextVar[tuple[tuple[int, AllowRule], ...]] = ContextVar(
    "asyncfastapi_blocking_allowed", default=()
)
