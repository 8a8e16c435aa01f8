"""Bare ASGI apps for the tests of the client: one behaviour each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def answering(
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
    *bodies: bytes,
    seen: list[dict[str, Any]] | None = None,
) -> Callable[..., Any]:
    """An app that sends this response, and keeps the scopes it is given."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if seen is not None:
            seen.append(scope)
        await send({"type": "http.response.start", "status": status, "headers": headers or []})
        chunks = bodies or (b"",)
        for number, chunk in enumerate(chunks):
            more = number + 1 < len(chunks)
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

    return app


def sending(*messages: dict[str, Any]) -> Callable[..., Any]:
    """An app that sends exactly these messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}
