"""Checks of the WebSocket messages that an app sends, and which ends are expected.

Source: the ASGI specification, "WebSocket"; codes of a close: RFC 6455, 7.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import disconnect_caused

if TYPE_CHECKING:
    from .app_run import AppRun

# 1004, 1005, 1006 and 1015 are reserved: no endpoint may send them.
_SENDABLE = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
_LONGEST_REASON = 123  # bytes: what fits into a control frame beside the code


def sendable(code: object) -> bool:
    """May an endpoint send this code in a close?"""
    return code in _SENDABLE


def checked_payload(served: AppRun, message: dict[str, Any]) -> str | bytes:
    """The text or the bytes of a `websocket.send`."""
    text, data = message.get("text"), message.get("bytes")
    if (text is None) == (data is None):
        both = "neither text nor bytes" if text is None else "both text and bytes"
        raise served.record_violation(
            f"sent a websocket.send with {both}", "give exactly one of the two"
        )
    if data is not None:
        if isinstance(data, (bytes, bytearray, memoryview)):
            return bytes(data)
        raise served.record_violation(
            f"sent bytes of type {type(data).__name__}", 'send str as "text", bytes as "bytes"'
        )
    if not isinstance(text, str):
        raise served.record_violation(
            f"sent text of type {type(text).__name__}", 'send str as "text", bytes as "bytes"'
        )
    if not encodable(text):
        raise served.record_violation(
            f"sent the text {_shown(text)}, which cannot be encoded as UTF-8 (half of a surrogate "
            "pair)",
            "cut text by characters, not by UTF-16 units",
        )
    return text


def encodable(text: str) -> bool:
    """Can this text be sent? Half of a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    return f"{text[:60]!r}" + ("..." if len(text) > 60 else "")


def checked_close(served: AppRun, message: dict[str, Any]) -> tuple[int, str]:
    """The code and the reason of a `websocket.close`."""
    code, reason = message.get("code"), message.get("reason") or ""
    code = 1000 if code is None else code
    if not sendable(code):
        raise served.record_violation(
            f"closed the WebSocket with code {code!r}, which cannot be sent",
            "use 1000, 1001, 1003, 1007-1014 or one of 3000-4999",
        )
    fits = isinstance(reason, str) and encodable(reason) and len(reason.encode()) <= _LONGEST_REASON
    if not fits:
        raise served.record_violation(
            f"closed the WebSocket with the reason {reason!r}",
            f"give a str of at most {_LONGEST_REASON} bytes in UTF-8",
        )
    return int(code), reason


def checked_subprotocol(served: AppRun, message: dict[str, Any]) -> str | None:
    """The subprotocol of a `websocket.accept`: one that the client has offered, or None."""
    chosen = message.get("subprotocol")
    offered = served.scope["subprotocols"]
    if chosen is None or (isinstance(chosen, str) and chosen in offered):
        return chosen
    raise served.record_violation(
        f"accepted the subprotocol {chosen!r}, but the client offered {offered!r}",
        'choose one of scope["subprotocols"], or none',
    )


def echoes_disconnect(error: BaseException | None) -> bool:
    """Is this error only how the app noticed that the WebSocket is over?

    Starlette and Litestar raise their own `WebSocketDisconnect` when the client
    has gone; known by name, as neither is a dependency.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(echoes_disconnect(item) for item in error.exceptions)
    by_name = any(cls.__name__ == "WebSocketDisconnect" for cls in type(error).__mro__)
    return by_name or disconnect_caused(error)
