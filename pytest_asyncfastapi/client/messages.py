"""Checks of the messages that an app sends: what a real server would refuse.

Source: the ASGI specification, "Response Start" and "Response Body".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import ProtocolViolation
    from .exchange import Exchange


def checked_start(
    exchange: Exchange, message: dict[str, Any]
) -> tuple[int, list[tuple[bytes, bytes]], int | None]:
    """The status, the headers and the declared length of an `http.response.start`."""
    status = message.get("status")
    if not isinstance(status, int) or isinstance(status, bool):
        raise exchange.violated(f"sent a status of {status!r}", "send an int, such as 200")
    headers: list[tuple[bytes, bytes]] = []
    declared: int | None = None
    for pair in message.get("headers") or ():
        name, value = pair
        if not (isinstance(name, bytes) and isinstance(value, bytes)):
            raise exchange.violated(
                f"sent the header ({name!r}, {value!r})", "send names and values as bytes"
            )
        headers.append((name, value))
        if exchange.note is not None and not name.islower() and name != name.lower():
            exchange.note(
                f"{exchange.label}: the app sent the header name {name.decode('latin-1')!r}; the "
                "ASGI specification asks for lower case, and a strict server (HTTP/2) refuses "
                "it. Fix: send it in lower case."
            )
        if len(name) == 14 and name.lower() == b"content-length":
            declared = _length(exchange, value)
    return int(status), headers, declared


def _length(exchange: Exchange, value: bytes) -> int:
    if not value.isdigit():
        raise exchange.violated(
            f"sent Content-Length: {value.decode('latin-1')!r}", "send a whole number"
        )
    return int(value)


def checked_body(exchange: Exchange, message: dict[str, Any]) -> bytes:
    """The bytes of an `http.response.body`."""
    body = message.get("body", b"")
    if isinstance(body, bytes):
        return body
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise exchange.violated(
        f"sent a body of type {type(body).__name__}", "send bytes: text.encode()"
    )


def unanswered(exchange: Exchange) -> ProtocolViolation:
    """The app has returned, and its response is not complete: what is missing."""
    if not exchange.started:
        return exchange.violated("returned without sending a response", "send one on every path")
    if exchange.trailers_missing:
        return exchange.violated(
            "promised trailers and sent none", "send http.response.trailers after the body"
        )
    return exchange.violated(
        "returned before its response was complete",
        "end the body with a message without more_body",
    )
