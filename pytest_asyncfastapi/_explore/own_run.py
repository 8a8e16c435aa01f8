"""The test's own run after a sweep: the outcome of its clean run, in pytest's protocol.

Running the test once more after its points would meet what they have left: a row in a
shared database, a cache in a module. So set-up, body and teardown are not run again;
each phase ends as it did in the clean run. Must not import pytest.
"""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.findings import FOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Run

_REPLACED = ("setup", "runtest", "teardown")


@dataclass(slots=True, eq=False)
class OwnRun:
    """One clean run: its phases, and what the test printed, warned of and recorded in them.

    `sections` are (phase, kind, text), as pytest keeps them on the item; `properties` are
    those of `record_property`.
    """

    run: Run
    sections: Sequence[tuple[str, str, str]] = ()
    properties: Sequence[tuple[str, object]] = ()
    warned: Sequence[warnings.WarningMessage] = ()
    _left: deque[tuple[str, str, str]] = field(default_factory=deque)

    def begin(self, item: Any) -> None:
        """Let pytest's phases of this item end as these did."""
        self._left = deque(self.sections)
        item.user_properties[:] = self.properties
        item.setup = lambda: self._raise_as_before("setup")
        item.runtest = lambda: self._raise_as_before("call")
        item.teardown = lambda: None
        self._show_output(item, "setup")
        for one in self.warned:
            warnings.showwarning(
                one.message, one.category, one.filename, one.lineno, one.file, one.line
            )

    def body(self, item: Any) -> None:
        """Before the body."""
        self._show_output(item, "call")

    def teardown(self, item: Any) -> None:
        """In the teardown: raise what the clean one has raised."""
        self._show_output(item, "teardown")
        self._raise_as_before("teardown")

    def restore(self, item: Any) -> None:
        """From now on the item runs again."""
        for name in _REPLACED:
            vars(item).pop(name, None)

    def _show_output(self, item: Any, phase: str) -> None:
        """Show what was printed in this phase where pytest shows it."""
        while self._left and self._left[0][0] == phase:
            item._report_sections.append(self._left.popleft())

    def _raise_as_before(self, phase: str) -> None:
        """As the clean run did; a failure by findings only is reported by the findings."""
        __tracebackhide__ = True
        error = self.run.errors.get(phase)
        if error is not None and not hasattr(error, FOUND):
            raise error
