"""Allow profiles of libraries: rules that a package ships for what it does to itself.

An entry point of the group `asyncfastapi_blocking_profile` names rows of
`(rule, reason)`, or a function without arguments that returns them.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from .allow import AllowRule

GROUP = "asyncfastapi_blocking_profile"


def load() -> tuple[AllowRule, ...]:
    """The rules of every installed profile. Raises `ValueError` that names a broken one."""
    rules: list[AllowRule] = []
    for point in entry_points(group=GROUP):
        try:
            rows: Any = point.load()
            if callable(rows):
                rows = rows()
            for rule, reason in rows:
                rules.append(AllowRule(rule, reason, f"profile {point.name}"))
        except Exception as error:
            raise ValueError(
                f"the blocking profile {point.name!r} ({point.value}) is broken: {error!r}. Fix: "
                "it has to name rows of (rule, reason), or update the package that ships it"
            ) from None
    return tuple(rules)
