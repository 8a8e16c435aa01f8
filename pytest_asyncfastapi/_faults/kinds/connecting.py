"""The kinds of faults in which a connection is not made, goes silent, or ends."""

from __future__ import annotations

from dataclasses import replace

from .. import values
from .entry import FaultKind, Keyword, Struck, WireEvent

_PHRASES = {
    "407": b"Proxy Authentication Required",
    "502": b"Bad Gateway",
    "503": b"Service Unavailable",
    "504": b"Gateway Timeout",
}
_STALLS = "the wire stalls until the client's own budget ends it"
_NO_CONNECTION = "no connection; `temporary` is EAI_AGAIN"
_PLACED = (
    "before the head; `in_head=True` or `=head`; `after_bytes=10` or `=10`; `reset` also"
    " `in_upload=True`, `=upload`"
)
_CLOSED = "the connection is closed: unanswered; as the request arrives; after the answer"
_IN_BODY = "closed in the body (never after the whole of it)"
_STREAM = "HTTP/2: this request's stream alone; over HTTP/1.1 a reset"


def _refusal(effect: Struck) -> list[WireEvent]:
    """What an HTTP proxy does instead of what the client requests."""
    phrase = _PHRASES.get(effect.detail)
    if phrase is not None:
        head = b"HTTP/1.1 %s %s\r\nContent-Length: 0\r\n\r\n" % (effect.detail.encode(), phrase)
        return [("say", head)]
    return [("end", "stall" if effect.detail == "stall" else "close")]


def _place(example: str) -> Keyword:
    return Keyword(values.place, "a place", example, "at", bare=True)


_POOL_TIMEOUT = FaultKind(
    name="pool_timeout",
    what=_STALLS,
    method="No connection becomes free: the client's own pool timeout ends the call.",
    stage="pool",
    budget="pool",
    not_served="a pool belongs to the client: use .latency(...) and more calls than it has",
)
CONNECTING = (
    FaultKind(
        name="refused",
        what=_NO_CONNECTION,
        method="Refuse the connection (nothing listens).",
        stage="connect",
        not_served="close the port instead: `with server.refused():`",
        connection="opening",
        swept=("call", "connect"),
    ),
    FaultKind(
        name="connect_timeout",
        what=_STALLS,
        method="Never connect: the client's own connect timeout has to end the call.",
        stage="connect",
        budget="connect",
        not_served="give the app an address that does not answer",
        connection="opening",
        swept=("call", "connect"),
    ),
    FaultKind(
        name="dns_error",
        what=_NO_CONNECTION,
        builder='`.dns_error()`, `.dns_error("temporary")`',
        grammar="`dns_error`, `dns_error=temporary`",
        words={
            "dns_error": Keyword(
                values.dns_error, "which", "dns_error=temporary", "detail", bare=True
            )
        },
        stage="resolve",
        not_served="give the app a host name that does not exist",
        connection="opening",
    ),
    FaultKind(
        name="tls_error",
        what="also `untrusted`, `self_signed`, `not_yet_valid`, `hostname`, `unknown_name` (SNI),"
        " `client_certificate` (one is required), `version`, `plain_http`, `eof`, `reset`, `stall`;"
        " only strikes `https`",
        builder='`.tls_error("expired")`',
        grammar="`tls_error=expired`",
        words={
            "tls_error": Keyword(
                values.tls_error, "which", "tls_error=expired", "detail", True, "untrusted"
            )
        },
        stage="tls",
        detail_budgets={"stall": "connect"},
        end="alert",  # where the server finds out only after the handshake
        not_served="the served socket speaks plain HTTP",
    ),
    FaultKind(
        name="proxy_error",
        what="also `502`, `503`, `504`, `eof`, `refused`, `stall`; `tls`: the handshake with an"
        " `https://` proxy fails; only strikes a client with a proxy, HTTP or SOCKS5",
        builder="`.proxy_error(407)`",
        grammar="`proxy_error=407`",
        words={
            "proxy_error": Keyword(values.proxy_error, "which", "proxy_error=503", "detail"),
        },
        stage="proxy",
        detail_budgets={"stall": "read"},
        instead=_refusal,
        not_served="the served socket is not a proxy",
    ),
    FaultKind(
        name="read_timeout",
        what=_STALLS,
        budget="read",
        end="stall",
        connection="exchange",
        swept=("call",),
    ),
    FaultKind(
        name="write_timeout",
        what=_STALLS,
        method="Stop reading the request: the client's own write timeout has to end the call.",
        stage="upload",
        budget="write",
        http2_end="stall",
        not_served="a request that arrives is read: use .stall() or .read_timeout()",
    ),
    _POOL_TIMEOUT,
    replace(_POOL_TIMEOUT, name="pool_exhausted", method="", same_as="pool_timeout"),
    FaultKind(
        name="reset",
        what=_PLACED,
        words={"reset": _place("reset=head, reset=upload or reset=10")},
        end="reset",
        cut="at",
        connection="exchange",
        swept=("call", "exchange"),
    ),
    FaultKind(
        name="close",
        what=_PLACED,
        words={
            "close": _place("close=head or close=10"),
            "close_after": Keyword(values.count, "a number of body bytes", "close_after=10", "at"),
        },
        end="close",
        cut="at",
        connection="exchange",
    ),
    FaultKind(
        name="stall",
        what=_PLACED,
        words={"stall": _place("stall=head or stall=10")},
        budget="read",
        end="stall",
        cut="at",
        connection="exchange",
    ),
    FaultKind(
        name="empty_reply",
        what=_CLOSED,
        method="Read the request, then close the connection without a byte.",
        end="close",
        connection="exchange",
        swept=("call", "exchange"),
    ),
    FaultKind(
        name="stale_keepalive",
        what=_CLOSED,
        method="Close a kept connection as the request arrives on it.",
        end="close",
    ),
    FaultKind(
        name="idle_close",
        what=_CLOSED,
        method="Answer, and close the connection unannounced: the next call opens a new one.",
        answered=True,
        closes=True,
    ),
    FaultKind(
        name="truncated",
        what=_IN_BODY,
        builder="`.truncated()`, `.close_after(10)`",
        grammar="`truncated`, `close_after=10`",
        method="Close the connection in the middle of the body.",
        answered=True,
        needs_body=True,
        without_length=True,
        end="close",
        cut="half",
        swept=("call",),
    ),
    FaultKind(
        name="reset_stream",
        what=_STREAM,
        builder='`.reset_stream()`, `.reset_stream(after_bytes=10, code="cancel")`',
        grammar="`reset_stream`, `reset_stream=10/cancel`",
        words={
            "reset_stream": Keyword(
                values.reset_stream,
                "a number of body bytes or an error code",
                "reset_stream=10, reset_stream=cancel",
                bare=True,
            )
        },
        end="reset",
        cut="at",
        http2_end="reset stream",
    ),
    FaultKind(
        name="refused_stream",
        what=_STREAM,
        method="Refuse the request's own stream: the server has not worked on it.",
        end="reset",
        http2_end="refused stream",
    ),
    FaultKind(
        name="goaway",
        what="HTTP/2: GOAWAY before this request is taken, and the connection is closed with every"
        " stream on it (graceful: the requests that were taken before are served first); over"
        " HTTP/1.1 a close",
        builder='`.goaway()`, `.goaway(code="enhance_your_calm")`, `.goaway(graceful=True)`',
        grammar="`goaway`, `goaway=enhance_your_calm`, `goaway=graceful`",
        words={
            "goaway": Keyword(
                values.goaway, "graceful or an error code", "goaway=graceful", "detail", bare=True
            )
        },
        counts_attempts=True,
        end="close",
        http2_end="goaway",
    ),
)
