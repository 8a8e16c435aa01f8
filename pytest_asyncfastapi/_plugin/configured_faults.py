"""The faults that the configuration, the command line and markers give to one test.

Each is a text in the grammar of faults; one that cannot be is a
`pytest.UsageError` that says where it stands. Knows no rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .._faults import Faults
    from .._faults.rule import FaultRule
    from .chosen import Settings


def add(faults: Faults, settings: Settings, item: pytest.Item) -> dict[str, FaultRule]:
    """Add them all: those of the run need not strike in this test, those of its markers must.

    Returns the rules of the run by their text.
    """
    from .._faults import FaultSpecError

    of_the_run: dict[str, FaultRule] = {}
    for specs, optional, origin in (
        (settings.fault, True, "--asyncfastapi-fault"),
        (_marked(item), False, "@pytest.mark.faults"),
    ):
        for spec in specs:
            try:
                rule = faults._add_spec(spec, optional=optional, origin=origin)
            except FaultSpecError as error:
                raise pytest.UsageError(f"{item.nodeid}: {origin}: {error}") from None
            if optional:
                of_the_run[spec] = rule
    return of_the_run


def _marked(item: pytest.Item) -> list[str]:
    specs: list[str] = []
    for mark in item.iter_markers("faults"):
        if not mark.args or mark.kwargs or not all(isinstance(arg, str) for arg in mark.args):
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.faults takes one text a fault, such as "
                '"https://pay.example/*: read_timeout, first=2"'
            )
        specs.extend(mark.args)
    return specs
