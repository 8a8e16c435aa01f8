"""The kinds of faults in an answer: another status or form, and what cannot be read."""

from __future__ import annotations

import gzip

from .. import values
from .entry import FaultKind, Keyword, always, says

# A frame of DATA that is all padding, and more than there is.
_BAD_DATA = (b"\xff", 0x0, 0x8)
# A frame of HEADERS whose compression refers to what never was.
_BAD_HEADERS = (b"\xff\xff\xff\x7f", 0x1, 0x4)
# h2 reads no frame in these bytes, so that only the end of the connection is an error.
_HTTP_1 = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_ALERT = b"\x15\x03\x03\x00\x02\x02\x0a"
# One header fifty times: compression makes it cheap to send, and to receive.
_LONG_HEAD = [(b":status", b"200"), *[(b"x-pad", b"a" * 3900)] * 52]

_NOT_HTTP = "bytes that are not HTTP"
_CHUNKS = "broken chunks after the whole body"
_LENGTHS = "more than Content-Length says; no length at all; two that differ"
_FORMS = (
    "`Connection: close` on the answer, also on a status of another rule; an answer of HTTP/1.0"
)
_NONSENSE = "well-framed nonsense"


def _half_of_gzip(body: bytes) -> tuple[bytes, tuple[bytes, bytes]]:
    data = gzip.compress(body, mtime=0)
    return data[: len(data) // 2], (b"Content-Encoding", b"gzip")


ANSWERS = (
    FaultKind(
        name="early_answer",
        what="an answer before the request's body has arrived, which is then read, or the"
        " connection reset",
        builder="`.early_answer(413)`, `reset=True`",
        grammar="`early_answer=413`, `early_answer=413/reset`",
        words={
            "early_answer": Keyword(
                values.early_answer, "a status", "early_answer=413, early_answer=413/reset"
            )
        },
        stage="upload",
        needs_upload=True,
        instead=lambda effect: [("status", effect.status), ("end", "close")],
        http2=lambda effect: [("status", effect.status)],
        not_served="a request is read whole before it is answered: use .latency(...) or .reset()",
        not_served_details=("reset",),
    ),
    FaultKind(
        name="garbage",
        what=_NOT_HTTP,
        method="Answer with bytes that are not HTTP.",
        instead=says(b"\x00\x01\x02garbage\xff\xfe\r\n\r\n"),
        http2=always(("raw", _HTTP_1), ("end", "close")),
    ),
    FaultKind(
        name="bad_status_line",
        what=_NOT_HTTP,
        method="Answer with a status line without a status.",
        instead=says(b"HTTP/1.1 abc WAT\r\n\r\n"),
        http2=always(("head", ([(b":status", b"abc")], True))),
    ),
    FaultKind(
        name="bad_header",
        what=_NOT_HTTP,
        method="Answer with a header line without a colon.",
        instead=says(b"HTTP/1.1 200 OK\r\nnocolon\r\n\r\n"),
        http2=always(("frame", _BAD_HEADERS), ("end", "close")),
    ),
    FaultKind(
        name="head_too_long",
        what=_NOT_HTTP,
        method="Answer with 200 KiB of headers.",
        instead=says(b"HTTP/1.1 200 OK\r\nX-Pad: " + b"a" * (200 * 1024) + b"\r\n\r\n"),
        http2=always(("head", (_LONG_HEAD, True))),
    ),
    FaultKind(
        name="tls_on_plain",
        what=_NOT_HTTP,
        method="Answer plain HTTP with a TLS alert.",
        instead=says(_ALERT),
        http2=always(("raw", _ALERT), ("end", "close")),
    ),
    FaultKind(
        name="bad_chunk",
        what=_CHUNKS,
        builder="`.bad_chunk()`",
        answered=True,
        needs_body=True,
        framing="bad size",
        without_length=True,
        http2_frame=_BAD_DATA,
    ),
    FaultKind(
        name="bad_chunk_end",
        what=_CHUNKS,
        builder="`.bad_chunk(in_end=True)`",
        answered=True,
        needs_body=True,
        framing="bad end",
        without_length=True,
        http2_frame=_BAD_DATA,
    ),
    FaultKind(
        name="too_long",
        what=_LENGTHS,
        method="Send more than the Content-Length: the rest spoils the next answer.",
        answered=True,
        without_length=True,
        rest=b"23456789",
    ),
    FaultKind(
        name="until_close",
        what=_LENGTHS,
        method="Answer without a length: the end of the connection ends the body (legal).",
        answered=True,
        framing="plain",
        without_length=True,
    ),
    FaultKind(
        name="two_lengths",
        what=_LENGTHS,
        method="Answer with two lengths that differ.",
        answered=True,
        headers=((b"Content-Length", b"4"), (b"Content-Length", b"5")),
    ),
    FaultKind(
        name="connection_close",
        category="change",
        what=_FORMS,
        method="Answer with `Connection: close`, and close: also beside a status of another rule.",
    ),
    FaultKind(
        name="http10",
        category="change",
        what=_FORMS,
        method="Answer as a server of HTTP/1.0: no chunks, and the connection is closed.",
    ),
    FaultKind(
        name="bad_gzip",
        what=_NONSENSE,
        builder="`.bad_gzip()`",
        answered=True,
        needs_body=True,
        content=lambda body: (b"this is no gzip", (b"Content-Encoding", b"gzip")),
    ),
    FaultKind(
        name="truncated_gzip",
        what=_NONSENSE,
        builder="`.bad_gzip(half=True)`",
        answered=True,
        needs_body=True,
        content=_half_of_gzip,
    ),
    FaultKind(
        name="bad_json",
        what=_NONSENSE,
        method="Answer with JSON that does not parse.",
        answered=True,
        needs_body=True,
        content=lambda body: (b'{"truncated": ', (b"Content-Type", b"application/json")),
        swept=("call",),
    ),
    FaultKind(
        name="no_http2",
        category="change",
        what="HTTP/2 is not offered in the TLS handshake: the client speaks HTTP/1.1",
        method="Do not offer HTTP/2 in the TLS handshake: the client has to use HTTP/1.1.",
    ),
    FaultKind(
        name="status",
        what="an answer",
        builder="`.status(503, retry_after=1)`, also with `json=`, `html=`, `headers=`",
        grammar="`status=503, retry_after=1`",
        words={
            "status": Keyword(values.status_code, "an HTTP status", "status=503", "status"),
        },
        is_answer=True,
    ),
)
