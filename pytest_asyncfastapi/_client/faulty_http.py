"""A request with a bad connection: cut off, dribbled in, or read slowly.

Carries out what `ClientFaultEffects` say; whoever made it has decided. A request
that nothing is wrong with never comes here. For WebSockets see
`websocket_impaired`.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

from .._core.tasks import spawn
from .exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .protocols import ClientFaultEffects


class DisconnectingExchange(Exchange):
    """An exchange whose client may leave at any time: what HTTP and WebSocket share."""

    __slots__ = ()  # so that it can stand before `SocketExchange`; `_plan` is the subclass's
    _plan: ClientFaultEffects

    async def run(self, app: Callable[..., Any]) -> None:
        """Call the app to its end, with a timer beside it if the client is to leave in time."""
        if self._plan.leave_at == "request":
            self.leave()
        timer = None
        if self._plan.leave_after is not None:
            timer, _ = spawn(
                self._leave_in(self._plan.leave_after), copy_context(), f"timer of {self.label}"
            )
        if self._plan.around is not None:
            app = self._plan.around(app, self.leave)
        try:
            await super().run(app)
        finally:
            self._plan.over()
            if timer is not None:
                timer.cancel()

    async def _leave_in(self, delay: float) -> None:
        await anyio.sleep(delay)
        if not self.complete:
            self.leave()

    def leave(self) -> None:
        """The client is gone, unless all is over."""
        if not (self.cut or self.finished):
            self.cut = self._plan.record("disconnect")
            self.disconnect()
            self._changed.fire()

    async def pause_until(self, due: float) -> None:
        """Let the time pass, or less of it if the client leaves meanwhile."""
        with anyio.move_on_after(due - anyio.current_time()):
            while not self.disconnected:
                await self._freed.wait()


class FaultyExchange(DisconnectingExchange):
    """An exchange whose client misbehaves."""

    __slots__ = ("_due", "_pieces", "_plan")

    def __init__(
        self,
        scope: dict[str, Any],
        body: bytes | AsyncIterator[bytes],
        *,
        label: str,
        streaming: bool,
        plan: ClientFaultEffects,
    ) -> None:
        super().__init__(scope, body, label=label, streaming=streaming)
        self._plan = plan
        self._due: float | None = None  # when the next piece is there
        self._pieces: list[bytes] | None = None
        if plan.upload_chunks and isinstance(body, bytes) and body:
            self._pieces = _split(body, plan.upload_chunks)

    async def _receive_body(self) -> dict[str, Any]:
        plan = self._plan
        if not plan.upload_chunks or (self._upload is None and not self._pieces):
            return await super()._receive_body()
        plan.record("slow_upload")
        # Kept, for an app that gives up its `receive()` and asks again (`is_disconnected()`).
        if self._due is None:
            self._due = anyio.current_time() + plan.upload_over / plan.upload_chunks
        due = self._due
        await self.pause_until(due)
        if self.disconnected:
            return {"type": "http.disconnect"}
        if self._due is not due:  # another `receive()` has it: Starlette listens beside the body
            return await self.receive()
        self._due = None
        self._progress()
        if self._pieces is None:
            return await super()._receive_body()
        piece = self._pieces.pop(0)
        self._request_over = not self._pieces
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}

    async def send(self, message: dict[str, Any]) -> None:
        """As any exchange; then the client leaves, or takes its time to read."""
        await super().send(message)
        if self.cut:
            return
        plan, body = self._plan, bool(message.get("body"))
        limit = plan.leave_after_bytes
        if (
            (plan.leave_at == "start" and self.started)
            or (plan.leave_at == "first_byte" and body)
            or (limit is not None and body and self._sent >= limit)
        ):
            self.leave()
        elif plan.read_delay and body:
            plan.record("slow_reader")
            await self.pause_until(anyio.current_time() + plan.read_delay)
            self._progress()


def _split(body: bytes, count: int) -> list[bytes]:
    size = -(-len(body) // count)
    return [body[at : at + size] for at in range(0, len(body), size)]
