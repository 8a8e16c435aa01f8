"""The extensions of ASGI that our server speaks beside the messages of plain HTTP.

`debug` and `trailers` are offered always; `pathsend` only on request, since
frameworks then take another way through a file than under most servers.
Source: the ASGI specification, "Extensions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from .exchange import Exchange

DEBUG, TRAILERS, PATHSEND = (
    "http.response.debug",
    "http.response.trailers",
    "http.response.pathsend",
)
OFFERED = (DEBUG, TRAILERS)
_CHUNK = 64 * 1024


async def send_optional(exchange: Exchange, message: dict[str, Any]) -> None:
    """Take a message that is neither `http.response.start` nor `http.response.body`."""
    kind = message.get("type")
    offered = exchange.scope["extensions"]
    if kind == DEBUG and DEBUG in offered:
        _extensions(exchange)["debug"] = message["info"]
    elif kind == TRAILERS and TRAILERS in offered:
        _send_trailers(exchange, message)
    elif kind == PATHSEND and PATHSEND in offered:
        await _send_path(exchange, message)
    elif kind in (DEBUG, TRAILERS, PATHSEND):
        raise exchange.violated(
            f"sent {kind}, which scope['extensions'] does not offer",
            "look there first, or offer it: open_app(app, extensions=[...])",
        )
    else:
        raise exchange.violated(
            f"sent a message of type {kind!r}, which HTTP does not have",
            "send http.response.start and http.response.body",
        )


def trailers_promised(exchange: Exchange) -> bool:
    """A response with `trailers` in its start: a list that is filled when they come."""
    _extensions(exchange)["trailers"] = []
    return True


def _send_trailers(exchange: Exchange, message: dict[str, Any]) -> None:
    promised = (exchange.extensions or {}).get("trailers")
    if promised is None:
        raise exchange.violated(
            "sent http.response.trailers without having promised them",
            "send http.response.start with trailers=True",
        )
    promised.extend(tuple(pair) for pair in message.get("headers") or ())
    if not message.get("more_trailers", False):
        exchange.end()


async def _send_path(exchange: Exchange, message: dict[str, Any]) -> None:
    async with await anyio.open_file(message["path"], "rb") as file:
        while chunk := await file.read(_CHUNK):
            await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
    await exchange.send({"type": "http.response.body"})


def _extensions(exchange: Exchange) -> dict[str, Any]:
    if exchange.extensions is None:
        exchange.extensions = {}
    return exchange.extensions
