"""Checks of the messages that an app sends: what a real server would refuse.

Source: the ASGI specification, "Response Start" and "Response Body".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import ProtocolViolation
    from .protocols import ResponseState


# What the servers' parsers take: a token as a name (h11), and no line break, NUL, VT or FF in a
# value (h11 and httptools).
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(rb"[\x00\n\r\x0b\x0c]")
# What one of them takes, and the other refuses.
_ODD_VALUE = re.compile(rb"[\x01-\x08\x0e-\x1f\x7f]|\A[ \t]|[ \t]\Z")
_good_names: set[bytes] = set()
_MOST_NAMES = 1000  # an app that makes up names must not fill the memory
_SWITCHING = 101


def checked_start(
    exchange: ResponseState, message: dict[str, Any], *, handshake: bool = False
) -> tuple[int, list[tuple[bytes, bytes]], int | None]:
    """The status, the headers and the declared length of an `http.response.start`.

    `handshake`: the headers are those of a `websocket.accept`, which has no status.
    """
    status = _SWITCHING if handshake else message.get("status")
    if not isinstance(status, int) or isinstance(status, bool):
        raise exchange.record_violation(f"sent a status of {status!r}", "send an int, such as 200")
    if not (handshake or 200 <= status <= 599):
        raise exchange.record_violation(
            f"sent a status of {int(status)}, which no server sends as the status of a response",
            "send one from 200 to 599",
        )
    headers: list[tuple[bytes, bytes]] = []
    declared: int | None = None
    for pair in message.get("headers") or ():
        name, value = checked_header(exchange, pair)
        headers.append((name, value))
        if exchange.warn is not None:
            _note_header(exchange, name, value)
        if len(name) == 14 and name.lower() == b"content-length":
            length = _length(exchange, value)
            if declared is not None and declared != length:
                raise exchange.record_violation(
                    f"sent Content-Length: {declared} and Content-Length: {length}",
                    "send it once; let the framework set it",
                )
            declared = length
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            _check_encoding(exchange, value)
    return int(status), headers, declared


def checked_header(exchange: ResponseState, pair: Any) -> tuple[bytes, bytes]:
    """The name and the value of a header, as a server sends them."""
    name, value = pair
    if not (isinstance(name, bytes) and isinstance(value, bytes)):
        raise exchange.record_violation(
            f"sent the header ({name!r}, {value!r})", "send names and values as bytes"
        )
    if name not in _good_names:
        if not _NAME.fullmatch(name):
            raise exchange.record_violation(
                f"sent the header name {name.decode('latin-1')!r}, which no server sends",
                "use letters, digits and dashes",
            )
        if len(_good_names) < _MOST_NAMES:
            _good_names.add(name)
    if _BAD_VALUE.search(value):
        shown = name.decode("latin-1")
        raise exchange.record_violation(
            f"sent the header {shown!r} with the value {value.decode('latin-1')!r}: no server "
            "sends line breaks or NUL in a header",
            f"leave them out of {shown!r}, or encode the value (urllib.parse.quote)",
        )
    return name, value


def _note_header(exchange: ResponseState, name: bytes, value: bytes) -> None:
    note = exchange.warn
    if note is None:
        return
    if not name.islower() and name != name.lower():
        note(
            f"{exchange.label}: the app sent the header name {name.decode('latin-1')!r}; the "
            "ASGI specification asks for lower case, and a strict server (HTTP/2) refuses "
            "it. Fix: send it in lower case."
        )
    if _ODD_VALUE.search(value):
        note(
            f"{exchange.label}: the app sent the header {name.decode('latin-1')!r} with the value "
            f"{value.decode('latin-1')!r}; uvicorn refuses spaces around a value (with h11) or "
            "control characters in it (with httptools). Fix: leave them out."
        )


def _check_encoding(exchange: ResponseState, value: bytes) -> None:
    if value.lower() != b"chunked":
        raise exchange.record_violation(
            f"sent Transfer-Encoding: {value.decode('latin-1')!r}",
            "leave the header out: the server sets it",
        )


def _length(exchange: ResponseState, value: bytes) -> int:
    if not value.isdigit():
        raise exchange.record_violation(
            f"sent Content-Length: {value.decode('latin-1')!r}", "send a whole number"
        )
    return int(value)


def note_dropped_body(exchange: ResponseState) -> None:
    """The app has sent a body that its status cannot have."""
    if exchange.warn is not None:
        exchange.warn(
            f"{exchange.label}: the app sent a body with status {exchange.status}, which has none: "
            "it is dropped, as by a server. Fix: return Response(status_code="
            f"{exchange.status}) without content, or another status."
        )


def checked_body(exchange: ResponseState, message: dict[str, Any]) -> bytes:
    """The bytes of an `http.response.body`."""
    body = message.get("body", b"")
    if isinstance(body, bytes):
        return body
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise exchange.record_violation(
        f"sent a body of type {type(body).__name__}", "send bytes: text.encode()"
    )


def unanswered(exchange: ResponseState) -> ProtocolViolation:
    """The app has returned, and its response is not complete: what is missing."""
    if not exchange.started:
        return exchange.record_violation(
            "returned without sending a response", "send one on every path"
        )
    if exchange.trailers_missing:
        return exchange.record_violation(
            "promised trailers and sent none", "send http.response.trailers after the body"
        )
    return exchange.record_violation(
        "returned before its response was complete",
        "end the body with a message without more_body",
    )
