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

    def connection_close(self, *, optional: bool = False) -> FaultRule:
        """Answer with `Connection: close`, and close: also beside a status of another rule.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._add(Effect(connection_close=True), optional)

    def http10(self, *, optional: bool = False) -> FaultRule:
        """Answer as a server of HTTP/1.0: no chunks, and the connection is closed.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._add(Effect(http10=True), optional)

    def no_http2(self, *, optional: bool = False) -> FaultRule:
        """Do not offer HTTP/2 in the TLS handshake: the client has to use HTTP/1.1.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._add(Effect(no_http2=True), optional)

    def two_lengths(self, *, optional: bool = False) -> FaultRule:
        """Answer with two lengths that differ.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("two_lengths", optional)

    def truncated(self, *, optional: bool = False) -> FaultRule:
        """Close the connection in the middle of the body.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("truncated", optional)

    def until_close(self, *, optional: bool = False) -> FaultRule:
        """Answer without a length: the end of the connection ends the body (legal).

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("until_close", optional)

    def garbage(self, *, optional: bool = False) -> FaultRule:
        """Answer with bytes that are not HTTP.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("garbage", optional)

    def bad_status_line(self, *, optional: bool = False) -> FaultRule:
        """Answer with a status line without a status.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("bad_status_line", optional)

    def bad_header(self, *, optional: bool = False) -> FaultRule:
        """Answer with a header line without a colon.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("bad_header", optional)

    def head_too_long(self, *, optional: bool = False) -> FaultRule:
        """Answer with 200 KiB of headers.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("head_too_long", optional)

    def tls_on_plain(self, *, optional: bool = False) -> FaultRule:
        """Answer plain HTTP with a TLS alert.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("tls_on_plain", optional)

    def bad_chunk(self, *, in_end: bool = False, optional: bool = False) -> FaultRule:
        """Send the body, then a chunk size that is not a number.

        Args:
            in_end: Send a chunk that does not end instead.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("bad_chunk_end" if in_end else "bad_chunk", optional)

    def too_long(self, *, optional: bool = False) -> FaultRule:
        """Send more than the Content-Length: the rest spoils the next answer.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("too_long", optional)

    def bad_gzip(self, *, half: bool = False, optional: bool = False) -> FaultRule:
        """Announce gzip and send something else.

        Args:
            half: Send the first half of a gzip stream instead.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("truncated_gzip" if half else "bad_gzip", optional)

    def bad_json(self, *, optional: bool = False) -> FaultRule:
        """Answer with JSON that does not parse.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._end("bad_json", optional)
