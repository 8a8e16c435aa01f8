"""The SQL statements of a test, to be counted: the fixture `queries`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._core.findings import Location


_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Queries:
    """What was sent to databases by SQLAlchemy, by the test and by the app, in order.

    A statement that is sent with many rows at once counts once; one that begins or ends a
    transaction or savepoint does not count.
    """

    def __init__(self) -> None:
        self._sent: list[tuple[str, Location | None]] = []

    def _hears(self, statement: str, where: Location | None) -> None:
        if statement.split(None, 1)[0].upper() not in _OF_TRANSACTIONS:
            self._sent.append((statement, where))

    @property
    def count(self) -> int:
        """How many statements were sent so far."""
        return len(self._sent)

    @property
    def statements(self) -> tuple[str, ...]:
        """Their text, as the database got it: parameters are not in it."""
        return tuple(statement for statement, _ in self._sent)

    def clear(self) -> None:
        """Forget those so far, such as the ones that filled the tables."""
        self._sent.clear()

    def assert_max(self, limit: int) -> None:
        """Fail if more statements were sent than are allowed.

        Args:
            limit: How many are allowed.

        Raises:
            AssertionError: With each statement, how often it was sent, and from where.

        Example:
            ```python
            await asgi_client.get("/orders")
            queries.assert_max(2)
            ```
        """
        __tracebackhide__ = True
        if self.count <= limit:
            return
        counted = Counter((" ".join(text.split()), where) for text, where in self._sent)
        lines = [f"{self.count} statements were sent, {limit} are allowed:"]
        for (text, where), times in counted.most_common():
            at = "" if where is None else f"\n      {where}: {where.source}"
            lines.append(f"  {times} x {text}{at}")
        raise AssertionError("\n".join(lines))

    def __repr__(self) -> str:
        return f"<Queries: {self.count} statements>"
