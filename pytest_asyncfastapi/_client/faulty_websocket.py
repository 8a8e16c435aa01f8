"""A WebSocket with a bad connection: lost, slow to send, or slow to read.

Carries out what `ClientFaultEffects` say, as `faulty_http` does for HTTP. A message
reaches an app whole, so a slow upload makes each arrive late, in its order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from .faulty_http import DisconnectingExchange
from .websocket_exchange import SocketExchange

if TYPE_CHECKING:
    from .protocols import ClientFaultEffects
    from .scope import ScopeBuilder

_CONNECT = "websocket.connect"


def socket_exchange(
    scopes: ScopeBuilder, request: Any, plan: ClientFaultEffects | None
) -> SocketExchange:
    """The exchange of a request that is a WebSocket's handshake."""
    scope, label = scopes.websocket(request), f"WS {request.url.path}"
    if plan is None:
        return SocketExchange(scope, label=label)
    return FaultySocketExchange(scope, label=label, plan=plan)


class FaultySocketExchange(DisconnectingExchange, SocketExchange):
    """A WebSocket whose client misbehaves."""

    __slots__ = ("_due", "_plan", "_read")

    def __init__(self, scope: dict[str, Any], *, label: str, plan: ClientFaultEffects) -> None:
        SocketExchange.__init__(self, scope, label=label)
        self._plan = plan
        self._read = 0  # bytes that the client has
        self._due: deque[float] = deque()  # when each message of the client's is there

    def leave(self) -> None:
        """The connection is lost, and with it what was still on its way to the app."""
        if self.closed is None:
            now = anyio.current_time()
            while self._due and self._due[-1] > now:
                self._due.pop()
                self._from_client.pop()
            super().leave()

    # A slow upload

    def deliver(self, payload: str | bytes) -> None:
        """Send a message to the app; with a slow upload it takes its time."""
        super().deliver(payload)
        if self._plan.upload_over:
            self._plan.record("slow_upload")
            before = self._due[-1] if self._due else 0.0
            self._due.append(max(before, anyio.current_time()) + self._plan.upload_over)

    async def receive(self) -> dict[str, Any]:
        """As any WebSocket, but each message when it is there; a close flushes them."""
        while not self._from_client:
            await self._freed.wait()
        while self._due and self.closed is None and self._from_client[0]["type"] != _CONNECT:
            left = self._due[0] - anyio.current_time()
            if left <= 0:
                break
            with anyio.move_on_after(left):
                await self._freed.wait()
        message = await super().receive()
        if message["type"] == "websocket.receive" and self._due:
            self._due.popleft()
        return message

    # A slow reader, and one who leaves

    async def send(self, message: dict[str, Any]) -> None:
        """As any WebSocket; then the client leaves, or takes its time to read."""
        await super().send(message)
        if self.cut:
            return
        plan, arrived = self._plan, _size(message)
        self._read += arrived or 0
        limit = plan.leave_after_bytes
        if (
            (plan.leave_at == "start" and self.started)
            or (plan.leave_at == "first_byte" and arrived is not None)
            or (limit is not None and self._read >= limit)
        ):
            self.leave()
        elif plan.read_delay and arrived is not None:
            plan.record("slow_reader")
            await self.pause_until(anyio.current_time() + plan.read_delay)


def _size(message: dict[str, Any]) -> int | None:
    """The bytes of a message, or of a part of a denial's body; None where it is neither."""
    if message["type"] == "websocket.send":
        payload = message.get("text") or message.get("bytes") or b""
        return len(payload.encode() if isinstance(payload, str) else payload)
    if message["type"] == "websocket.http.response.body" and message.get("body"):
        return len(message["body"])
    return None
