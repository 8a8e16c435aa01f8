"""Findings in pytest's own JUnit XML: a property of the test for each.

pytest writes `item.user_properties` itself, with and without xdist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from .._core.findings import Finding

NAME = "asyncfastapi_finding"


def forget(item: pytest.Item) -> None:
    """Drop the properties of an earlier run of the test."""
    if item.user_properties:
        item.user_properties[:] = [pair for pair in item.user_properties if pair[0] != NAME]


def add(item: pytest.Item, fresh: Iterable[Finding]) -> None:
    """Add a property for each finding."""
    item.user_properties += [(NAME, line(finding)) for finding in fresh]


def line(finding: Finding) -> str:
    """`"error blocking at shop/main.py:14: time.sleep(...) ...; fix: ..."`."""
    where = f" at {finding.where}" if finding.where is not None else ""
    text = f"{finding.severity} {finding.kind}{where}: {finding.title}"
    if finding.activity:
        text += f"; in {finding.activity}"
    return f"{text}; fix: {finding.remedy}" if finding.remedy else text
