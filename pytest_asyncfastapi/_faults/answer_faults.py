"""The verbs after `faults.on(pattern)` for answers of another kind, and broken ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import values
from .effect import Effect
from .point import Point

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .rule import FaultRule


class AnswerFaults(Point):
    """Answers with another status or form, and answers that cannot be read."""

    # Answers that are wrong.

    def status(
        self,
        code: int,
        *,
        json: Any = values.NOTHING,
        html: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after: float | str | None = None,
        optional: bool = False,
    ) -> FaultRule:
        """Answer with this status, and a JSON value or an HTML page as its body.

        Args:
            code: The status, from 200 to 599.
            json: The body, as a JSON value.
            html: The body, as the text of an HTML page.
            headers: Headers to add, such as `{"Content-Type": "application/problem+json"}`.
            retry_after: The value of a `Retry-After` header: seconds, or a date as text.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `code` is not a status, `json` is not JSON, or both bodies are given.
            TypeError: If `headers` or `html` is not text.

        Example:
            ```python
            faults.on("https://pay.example/*").status(503, retry_after=2).first(1)
            ```
        """
        after = "" if retry_after is None else str(retry_after)
        body, added = values.answer(json, html, headers)
        status = values.status_code(code)
        effect = Effect(ending="status", status=status, retry_after=after, body=body, headers=added)
        return self._add(effect, optional)

    def early_answer(
        self, code: int = 413, *, reset: bool = False, optional: bool = False
    ) -> FaultRule:
        """Answer with this status before the request's body has arrived, and close.

        Args:
            code: The status, from 200 to 599.
            reset: Reset the connection; else the rest of the body is read and dropped.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `code` is not a status.
        """
        found = values.early_answer(f"{code}/reset" if reset else code)
        effect = Effect(ending="early_answer", status=int(found["status"]))
        return self._add(replace(effect, detail=str(found["detail"])), optional)

    def bad_chunk(self, *, in_end: bool = False, optional: bool = False) -> FaultRule:
        """Send the body, then a chunk size that is not a number.

        Args:
            in_end: Send a chunk that does not end instead.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("bad_chunk_end" if in_end else "bad_chunk", optional)

    def bad_gzip(self, *, half: bool = False, optional: bool = False) -> FaultRule:
        """Announce gzip and send something else.

        Args:
            half: Send the first half of a gzip stream instead.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("truncated_gzip" if half else "bad_gzip", optional)
