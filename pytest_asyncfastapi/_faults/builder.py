"""The verbs people type after `faults.on(pattern)`.

Each verb adds one rule and returns it, so that a schedule can follow:
`faults.on("https://pay.example/*").read_timeout().first(2)`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from . import values
from .delay import Distribution, delay
from .effect import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .rule import FaultRule

Duration = float | str | Distribution
# What is one of a few words; the lists of `effect.py`, which a test compares.
DnsError = Literal["unknown", "temporary"]
TlsError = Literal[
    "untrusted", "hostname", "self_signed", "expired", "not_yet_valid", "client_certificate",
    "unknown_name", "plain_http", "eof", "reset", "stall", "version",
]  # fmt: skip
Http2Code = Literal[
    "no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout",
    "stream_closed", "frame_size_error", "refused_stream", "cancel", "compression_error",
    "connect_error", "enhance_your_calm", "inadequate_security", "http_1_1_required",
]  # fmt: skip
ProxyError = Literal[
    407, 502, 503, 504, "407", "502", "503", "504", "eof", "refused", "stall", "tls"
]  # fmt: skip


class FaultPoint:
    """A place where a fault can be put.

    A duration is seconds, `"3s"`, `"200ms±50ms"`, `"uniform(1s, 2s)"`,
    `"normal(...)"`, `"lognormal(...)"` or `"exponential(...)"`.
    """

    def __init__(self, text: str, add: Callable[[Effect, bool], FaultRule]) -> None:
        self._text = text
        self._add = add

    def _end(self, ending: str, optional: bool) -> FaultRule:
        return self._add(Effect(ending=ending), optional)

    # What takes time.

    def latency(self, duration: Duration, *, optional: bool = False) -> FaultRule:
        """Let this pass between the request and the response head."""
        return self._add(Effect().timed(delay=delay(duration)), optional)

    def timeline(
        self,
        *,
        dns: Duration = 0.0,
        connect: Duration = 0.0,
        tls: Duration = 0.0,
        accept: Duration = 0.0,
        head: Duration = 0.0,
        first_byte: Duration = 0.0,
        gap: Duration = 0.0,
        tail: Duration = 0.0,
        optional: bool = False,
    ) -> FaultRule:
        """Let time pass in each phase of the exchange.

        `dns`, `connect` and `tls` spend the connect timeout, the others the
        read timeout, which every byte restarts; `accept` is part of the
        handshake where there is one. `gap` lies between the pieces
        of the body, `tail` before its last byte.
        """
        effect = Effect().timed(
            dns=delay(dns),
            connect=delay(connect),
            tls=delay(tls),
            accept=delay(accept),
            delay=delay(head),
            first_byte=delay(first_byte),
            gap=delay(gap),
            tail=delay(tail),
        )
        return self._add(effect, optional)

    def bandwidth(self, rate: float | str, *, optional: bool = False) -> FaultRule:
        """Send the body at this rate (bytes a second, or `"16KB/s"`)."""
        return self._add(Effect(bandwidth=values.rate(rate)), optional)

    def upload_rate(self, rate: float | str, *, optional: bool = False) -> FaultRule:
        """Read the request's body at this rate (bytes a second, or `"16KB/s"`), steadily."""
        return self._add(Effect(upload_rate=values.rate(rate)), optional)

    def dribble(
        self, pieces: int, over: float | str, *, head: bool = False, optional: bool = False
    ) -> FaultRule:
        """Send the body, or the head, in so many pieces, spread over a time."""
        paced = values.pieces((pieces, over))
        effect = Effect(head_dribble=paced) if head else Effect(dribble=paced)
        return self._add(effect, optional)

    def interim(self, times: int, each: float | str, *, optional: bool = False) -> FaultRule:
        """Send `100 Continue` so many times, each after a time, before the answer."""
        return self._add(Effect(interim=values.pieces((times, each))), optional)

    # What only the client's own budget ends.

    def read_timeout(self, *, optional: bool = False) -> FaultRule:
        """Never answer: the client's own read timeout has to end the call."""
        return self._end("read_timeout", optional)

    def connect_timeout(self, *, optional: bool = False) -> FaultRule:
        """Never connect: the client's own connect timeout has to end the call."""
        return self._end("connect_timeout", optional)

    def write_timeout(self, *, optional: bool = False) -> FaultRule:
        """Stop reading the request: the client's own write timeout has to end the call."""
        return self._end("write_timeout", optional)

    def pool_timeout(self, *, optional: bool = False) -> FaultRule:
        """No connection becomes free: the client's own pool timeout ends the call."""
        return self._end("pool_timeout", optional)

    pool_exhausted = pool_timeout

    def stall(
        self, *, after_bytes: int | None = None, in_head: bool = False, optional: bool = False
    ) -> FaultRule:
        """Go silent: before the answer, in its head, or after so many bytes of its body."""
        return self._add(Effect(ending="stall", at=_place(after_bytes, in_head)), optional)

    # Connections that fail.

    def refused(self, *, optional: bool = False) -> FaultRule:
        """Refuse the connection (nothing listens)."""
        return self._end("refused", optional)

    def dns_error(self, kind: DnsError = "unknown", *, optional: bool = False) -> FaultRule:
        """Fail to resolve the host name: `"unknown"`, or `"temporary"` (EAI_AGAIN)."""
        return self._add(Effect(ending="dns_error", detail=values.dns_error(kind)), optional)

    def tls_error(self, kind: TlsError = "untrusted", *, optional: bool = False) -> FaultRule:
        """Fail the handshake.

        By a certificate that is `untrusted`, `self_signed`, `expired`, `not_yet_valid` or for
        another `hostname`; by `client_certificate` (one is required), `unknown_name` (SNI),
        `version`, `plain_http`; by `eof`, `reset` or `stall`.
        """
        return self._add(Effect(ending="tls_error", detail=values.tls_error(kind)), optional)

    def proxy_error(self, kind: ProxyError, *, optional: bool = False) -> FaultRule:
        """Fail at the client's proxy: 407, 502, 503, 504, eof, refused, stall, tls (https://)."""
        return self._add(Effect(ending="proxy_error", detail=values.proxy_error(kind)), optional)

    def reset(
        self,
        *,
        after_bytes: int | None = None,
        in_head: bool = False,
        in_upload: bool = False,
        optional: bool = False,
    ) -> FaultRule:
        """Reset the connection: before the answer, in its head or body, or in the upload."""
        at = "upload" if in_upload else _place(after_bytes, in_head)
        return self._add(Effect(ending="reset", at=at), optional)

    def close(
        self, *, after_bytes: int | None = None, in_head: bool = False, optional: bool = False
    ) -> FaultRule:
        """Close the connection: before the answer, in its head, or in its body."""
        return self._add(Effect(ending="close", at=_place(after_bytes, in_head)), optional)

    drop = close

    def close_after(self, size: int, *, optional: bool = False) -> FaultRule:
        """Close the connection after so many bytes of the body."""
        return self.close(after_bytes=size, optional=optional)

    def empty_reply(self, *, optional: bool = False) -> FaultRule:
        """Read the request, then close the connection without a byte."""
        return self._end("empty_reply", optional)

    def stale_keepalive(self, *, optional: bool = False) -> FaultRule:
        """Close a kept connection as the request arrives on it."""
        return self._end("stale_keepalive", optional)

    def idle_close(self, *, optional: bool = False) -> FaultRule:
        """Answer, and close the connection unannounced: the next call opens a new one."""
        return self._end("idle_close", optional)

    # HTTP/2. Over HTTP/1.1, where the stream is the connection: a reset, a close.

    def reset_stream(
        self,
        *,
        after_bytes: int | None = None,
        code: Http2Code | Literal[""] = "",
        optional: bool = False,
    ) -> FaultRule:
        """Reset the request's own stream, before the answer or in its body; others go on.

        `code` is an error code of HTTP/2, such as `"cancel"`; it is `"internal_error"` else.
        """
        name = values.code(code) if code else ""
        place = _place(after_bytes, False)
        return self._add(Effect(ending="reset_stream", at=place, detail=name), optional)

    def refused_stream(self, *, optional: bool = False) -> FaultRule:
        """Refuse the request's own stream: the server has not worked on it."""
        return self._end("refused_stream", optional)

    def goaway(
        self, *, graceful: bool = False, code: Http2Code | Literal[""] = "", optional: bool = False
    ) -> FaultRule:
        """Say GOAWAY before this request is taken, and close the connection at once.

        `graceful`: the requests that were taken before are served first. `code` is an error
        code of HTTP/2, such as `"enhance_your_calm"`; it is `"no_error"` else.
        """
        if graceful and code:
            raise ValueError("goaway() is graceful or has an error code, not both")
        how = "graceful" if graceful else values.goaway(code) if code else ""
        return self._add(Effect(ending="goaway", detail=how), optional)

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

        `headers` are added (`{"Content-Type": "application/problem+json"}`), and a
        `Retry-After` where `retry_after` is given (seconds or a date).
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

        The rest of the body is read and dropped; with `reset` the connection is reset.
        """
        found = values.early_answer(f"{code}/reset" if reset else code)
        effect = Effect(ending="early_answer", status=int(found["status"]))
        return self._add(replace(effect, detail=str(found["detail"])), optional)

    def connection_close(self, *, optional: bool = False) -> FaultRule:
        """Answer with `Connection: close`, and close: also beside a status of another rule."""
        return self._add(Effect(connection_close=True), optional)

    def http10(self, *, optional: bool = False) -> FaultRule:
        """Answer as a server of HTTP/1.0: no chunks, and the connection is closed."""
        return self._add(Effect(http10=True), optional)

    def no_http2(self, *, optional: bool = False) -> FaultRule:
        """Do not offer HTTP/2 in the TLS handshake: the client has to speak HTTP/1.1."""
        return self._add(Effect(no_http2=True), optional)

    def two_lengths(self, *, optional: bool = False) -> FaultRule:
        """Answer with two lengths that differ."""
        return self._end("two_lengths", optional)

    def truncated(self, *, optional: bool = False) -> FaultRule:
        """Close the connection in the middle of the body."""
        return self._end("truncated", optional)

    def until_close(self, *, optional: bool = False) -> FaultRule:
        """Answer without a length: the end of the connection ends the body (legal)."""
        return self._end("until_close", optional)

    def garbage(self, *, optional: bool = False) -> FaultRule:
        """Answer with bytes that are not HTTP."""
        return self._end("garbage", optional)

    def bad_status_line(self, *, optional: bool = False) -> FaultRule:
        """Answer with a status line without a status."""
        return self._end("bad_status_line", optional)

    def bad_header(self, *, optional: bool = False) -> FaultRule:
        """Answer with a header line without a colon."""
        return self._end("bad_header", optional)

    def head_too_long(self, *, optional: bool = False) -> FaultRule:
        """Answer with 200 KiB of headers."""
        return self._end("head_too_long", optional)

    def tls_on_plain(self, *, optional: bool = False) -> FaultRule:
        """Answer plain HTTP with a TLS alert."""
        return self._end("tls_on_plain", optional)

    def bad_chunk(self, *, in_end: bool = False, optional: bool = False) -> FaultRule:
        """Send the body, then a chunk size that is not a number, or a chunk that does not end."""
        return self._end("bad_chunk_end" if in_end else "bad_chunk", optional)

    def too_long(self, *, optional: bool = False) -> FaultRule:
        """Send more than the Content-Length: the rest spoils the next answer."""
        return self._end("too_long", optional)

    def bad_gzip(self, *, half: bool = False, optional: bool = False) -> FaultRule:
        """Say gzip and send something else, or (`half`) the first half of a gzip stream."""
        return self._end("truncated_gzip" if half else "bad_gzip", optional)

    def bad_json(self, *, optional: bool = False) -> FaultRule:
        """Answer with JSON that does not parse."""
        return self._end("bad_json", optional)

    def __repr__(self) -> str:
        return f"<FaultPoint {self._text!r}>"


def _place(after_bytes: int | None, in_head: bool) -> str | int:
    if after_bytes is not None:
        return values.place(after_bytes)
    return "head" if in_head else ""
