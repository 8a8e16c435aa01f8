"""How a WebSocket ends for the test: rejected in its handshake, or closed."""

from __future__ import annotations

from typing import Any

from .._core.base_error import AsyncFastAPIError

# RFC 6455, 7.1.5: no close frame was received, the connection has just ended.
ABNORMAL = 1006


class WebSocketRejected(AsyncFastAPIError):
    """The app did not accept the WebSocket.

    A plain `websocket.close` is a 403 without a body; with the denial response
    extension it is the app's own status, headers and body.

    Attributes:
        response: What the app answered instead.
    """

    def __init__(self, label: str, response: Any) -> None:
        self.response = response
        body = response.text
        shown = f": {body[:200]}" if body else ""
        super().__init__(
            f"{label}: the app rejected the WebSocket with status {response.status_code}{shown}"
        )


class WebSocketClosed(AsyncFastAPIError):
    """Nothing more can be received or sent.

    Attributes:
        code: The close code.
        reason: The reason that was given, or empty.
    """

    def __init__(self, label: str, code: int, reason: str, by: str) -> None:
        self.code = code
        self.reason = reason
        how = f"code {code}" + (f", {reason!r}" if reason else "")
        super().__init__(f"{label}: {by} ({how})")
