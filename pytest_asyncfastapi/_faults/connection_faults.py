"""The verbs after `faults.on(pattern)` for what ends a connection or a stream of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from . import values
from .effect import Effect
from .point import Point, place

if TYPE_CHECKING:
    from .rule import FaultRule
    from .values import DnsError, Http2Code, ProxyError, TlsError


class ConnectionFaults(Point):
    """Connections that are not made, or that end too early."""

    # Connections that fail.

    def dns_error(self, kind: DnsError = "unknown", *, optional: bool = False) -> FaultRule:
        """Fail to resolve the host name.

        Args:
            kind: `"unknown"`, or `"temporary"` (EAI_AGAIN).
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `kind` is none of these.
        """
        return self._add(Effect(ending="dns_error", detail=values.dns_error(kind)), optional)

    def tls_error(self, kind: TlsError = "untrusted", *, optional: bool = False) -> FaultRule:
        """Fail the handshake.

        Args:
            kind: A certificate that is `untrusted`, `self_signed`, `expired`, `not_yet_valid` or
                for another `hostname`; `client_certificate` (one is required), `unknown_name`
                (SNI), `version`, `plain_http`; or the handshake ends by `eof`, `reset` or `stall`.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `kind` is none of these.
        """
        return self._add(Effect(ending="tls_error", detail=values.tls_error(kind)), optional)

    def proxy_error(self, kind: ProxyError, *, optional: bool = False) -> FaultRule:
        """Fail at the client's proxy.

        Args:
            kind: A status (407, 502, 503 or 504), `"eof"`, `"refused"`, `"stall"`, or `"tls"` (of
                an `https://` proxy).
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `kind` is none of these.
        """
        return self._add(Effect(ending="proxy_error", detail=values.proxy_error(kind)), optional)

    def reset(
        self,
        *,
        after_bytes: int | None = None,
        in_head: bool = False,
        in_upload: bool = False,
        optional: bool = False,
    ) -> FaultRule:
        """Reset the connection: before the answer, in its head or body, or in the upload.

        Args:
            after_bytes: After so many bytes of the body; before the answer if it is None.
            in_head: In the middle of the response head.
            in_upload: While the request's body is sent.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `after_bytes` is not a number of bytes.

        Example:
            ```python
            faults.on("https://pay.example/*").reset(after_bytes=100)
            ```
        """
        at = "upload" if in_upload else place(after_bytes, in_head)
        return self._add(Effect(ending="reset", at=at), optional)

    def close(
        self, *, after_bytes: int | None = None, in_head: bool = False, optional: bool = False
    ) -> FaultRule:
        """Close the connection: before the answer, in its head, or in its body.

        Args:
            after_bytes: After so many bytes of the body; before the answer if it is None.
            in_head: In the middle of the response head.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `after_bytes` is not a number of bytes.
        """
        return self._add(Effect(ending="close", at=place(after_bytes, in_head)), optional)

    drop = close

    def close_after(self, size: int, *, optional: bool = False) -> FaultRule:
        """Close the connection after so many bytes of the body.

        Args:
            size: The number of bytes.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `size` is not a number of bytes.
        """
        return self.close(after_bytes=size, optional=optional)

    # HTTP/2. Over HTTP/1.1, where the stream is the connection: a reset, a close.

    def reset_stream(
        self,
        *,
        after_bytes: int | None = None,
        code: Http2Code | Literal[""] = "",
        optional: bool = False,
    ) -> FaultRule:
        """Reset the request's own stream, before the answer or in its body; others go on.

        Args:
            after_bytes: After so many bytes of the body; before the answer if it is None.
            code: An error code of HTTP/2, such as `"cancel"`; `"internal_error"` if it is empty.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `code` is not an error code, or `after_bytes` not a number of bytes.
        """
        name = values.code(code) if code else ""
        at = place(after_bytes, False)
        return self._add(Effect(ending="reset_stream", at=at, detail=name), optional)

    def goaway(
        self, *, graceful: bool = False, code: Http2Code | Literal[""] = "", optional: bool = False
    ) -> FaultRule:
        """Send GOAWAY before this request is taken, and close the connection at once.

        Args:
            graceful: The requests that were taken before are served first.
            code: An error code of HTTP/2, such as `"enhance_your_calm"`; else
                `"no_error"`.
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.

        Raises:
            ValueError: If `code` is not an error code, or is given together with `graceful`.
        """
        if graceful and code:
            raise ValueError("goaway() is graceful or has an error code, not both")
        how = "graceful" if graceful else values.goaway(code) if code else ""
        return self._add(Effect(ending="goaway", detail=how), optional)
