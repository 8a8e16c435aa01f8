"""The verbs after `faults.on(pattern)` that have no arguments of their own.

Written from the kinds of faults by `python -m tests.faults.from_kinds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .point import Point

if TYPE_CHECKING:
    from .rule import FaultRule


class PlainFaults(Point):
    """A fault of each of these kinds."""

    def refused(self, *, optional: bool = False) -> FaultRule:
        """Refuse the connection (nothing listens).

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("refused", optional)

    def connect_timeout(self, *, optional: bool = False) -> FaultRule:
        """Never connect: the client's own connect timeout has to end the call.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("connect_timeout", optional)

    def write_timeout(self, *, optional: bool = False) -> FaultRule:
        """Stop reading the request: the client's own write timeout has to end the call.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("write_timeout", optional)

    def pool_timeout(self, *, optional: bool = False) -> FaultRule:
        """No connection becomes free: the client's own pool timeout ends the call.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("pool_timeout", optional)

    pool_exhausted = pool_timeout

    def empty_reply(self, *, optional: bool = False) -> FaultRule:
        """Read the request, then close the connection without a byte.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("empty_reply", optional)

    def stale_keepalive(self, *, optional: bool = False) -> FaultRule:
        """Close a kept connection as the request arrives on it.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("stale_keepalive", optional)

    def idle_close(self, *, optional: bool = False) -> FaultRule:
        """Answer, and close the connection unannounced: the next call opens a new one.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("idle_close", optional)

    def truncated(self, *, optional: bool = False) -> FaultRule:
        """Close the connection in the middle of the body.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("truncated", optional)

    def refused_stream(self, *, optional: bool = False) -> FaultRule:
        """Refuse the request's own stream: the server has not worked on it.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("refused_stream", optional)

    def garbage(self, *, optional: bool = False) -> FaultRule:
        """Answer with bytes that are not HTTP.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("garbage", optional)

    def bad_status_line(self, *, optional: bool = False) -> FaultRule:
        """Answer with a status line without a status.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("bad_status_line", optional)

    def bad_header(self, *, optional: bool = False) -> FaultRule:
        """Answer with a header line without a colon.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("bad_header", optional)

    def head_too_long(self, *, optional: bool = False) -> FaultRule:
        """Answer with 200 KiB of headers.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("head_too_long", optional)

    def tls_on_plain(self, *, optional: bool = False) -> FaultRule:
        """Answer plain HTTP with a TLS alert.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("tls_on_plain", optional)

    def too_long(self, *, optional: bool = False) -> FaultRule:
        """Send more than the Content-Length: the rest spoils the next answer.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("too_long", optional)

    def until_close(self, *, optional: bool = False) -> FaultRule:
        """Answer without a length: the end of the connection ends the body (legal).

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("until_close", optional)

    def two_lengths(self, *, optional: bool = False) -> FaultRule:
        """Answer with two lengths that differ.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("two_lengths", optional)

    def connection_close(self, *, optional: bool = False) -> FaultRule:
        """Answer with `Connection: close`, and close: also beside a status of another rule.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("connection_close", optional)

    def http10(self, *, optional: bool = False) -> FaultRule:
        """Answer as a server of HTTP/1.0: no chunks, and the connection is closed.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("http10", optional)

    def bad_json(self, *, optional: bool = False) -> FaultRule:
        """Answer with JSON that does not parse.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("bad_json", optional)

    def no_http2(self, *, optional: bool = False) -> FaultRule:
        """Do not offer HTTP/2 in the TLS handshake: the client has to use HTTP/1.1.

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("no_http2", optional)
