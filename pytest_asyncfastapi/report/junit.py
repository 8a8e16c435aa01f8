"""Findings in pytest's own JUnit XML: a property of the test for each.

pytest writes `item.user_properties` itself, with and without xdist.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..findings import Finding

NAME = "asyncfastapi_finding"
_RUN = pytest.StashKey["weakref.ref[object]"]()


def add(item: pytest.Item, fresh: Iterable[Finding], run: object) -> None:
    """Add a property for each finding; those of an earlier `run` of the test are dropped."""
    known = item.stash.get(_RUN, None)
    if known is None or known() is not run:
        item.stash[_RUN] = weakref.ref(run)
        item.user_properties[:] = [pair for pair in item.user_properties if pair[0] != NAME]
    item.user_properties += [(NAME, line(finding)) for finding in fresh]


def line(finding: Finding) -> str:
    """`"error blocking at shop/main.py:14: time.sleep(...) ...; fix: ..."`."""
    where = f" at {finding.where}" if finding.where is not None else ""
    text = f"{finding.severity} {finding.kind}{where}: {finding.title}"
    if finding.activity:
        text += f"; in {finding.activity}"
    return f"{text}; fix: {finding.remedy}" if finding.remedy else text
