"""Bare WebSocket apps for the tests of the client: one behaviour each."""

from __future__ import annotations

from typing import Any

ACCEPT = {"type": "websocket.accept"}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Accept, then send back what comes, until the client has gone."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message["type"] == "websocket.connect":
            await send(ACCEPT)
        elif "text" in message:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


def sending(*messages: dict[str, Any], error: BaseException | None = None) -> Any:
    """An app that takes the connect, sends exactly these messages, and fails or returns."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


class Recording:
    """An app that keeps its scopes, and each message until the disconnect."""

    def __init__(self, accept: dict[str, Any] | None = None) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.seen: list[dict[str, Any]] = []
        self._accept = accept or ACCEPT

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await receive()
        await send(self._accept)
        while not (self.seen and self.seen[-1]["type"] == "websocket.disconnect"):
            self.seen.append(await receive())
