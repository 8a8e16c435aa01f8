"""One setting: a row of the tables in `options.py` and `report_options.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False, repr=False)
class Option:
    """One row of the table; `parse` raises `ValueError` with the second half of a sentence."""

    name: str
    help: str
    parse: Callable[[Any], Any]
    many: bool = False
    metavar: str | None = None
    marker: bool = True  # may one test have its own?

    @property
    def flag(self) -> str:
        """As written on the command line."""
        return "--asyncfastapi-" + self.name.replace("_", "-")

    @property
    def ini(self) -> str:
        """As written in the configuration file."""
        return "asyncfastapi_" + self.name
