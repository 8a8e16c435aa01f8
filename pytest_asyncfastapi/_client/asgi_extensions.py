"""The extensions of ASGI that our server speaks beside the messages of plain HTTP.

`debug`, `trailers` and `early_hint` are offered always; the others only on request:
frameworks then take another way through a file than under most servers, and
`push` belongs to HTTP/2.
Source: the ASGI specification, "Extensions".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from .message_checks import checked_header

if TYPE_CHECKING:
    from .protocols import ResponseState

DEBUG = "http.response.debug"
TRAILERS = "http.response.trailers"
EARLY_HINT = "http.response.early_hint"
PATHSEND = "http.response.pathsend"
ZEROCOPYSEND = "http.response.zerocopysend"
PUSH = "http.response.push"
OFFERED = (DEBUG, TRAILERS, EARLY_HINT)
_KNOWN = (*OFFERED, PATHSEND, ZEROCOPYSEND, PUSH)
_CHUNK = 64 * 1024


async def send_optional(exchange: ResponseState, message: dict[str, Any]) -> None:
    """Take a message that is neither `http.response.start` nor `http.response.body`."""
    kind = message.get("type")
    offered = exchange.scope["extensions"]
    if kind not in _KNOWN:
        raise exchange.record_violation(
            f"sent a message of type {kind!r}, which HTTP does not have",
            "send http.response.start and http.response.body",
        )
    if kind not in offered:
        raise exchange.record_violation(
            f"sent {kind}, which scope['extensions'] does not offer",
            "look there first, or offer it: open_app(app, extensions=[...])",
        )
    if kind == DEBUG:
        _extensions(exchange)[DEBUG] = message["info"]
    elif kind == TRAILERS:
        _send_trailers(exchange, message)
    elif kind == EARLY_HINT:
        _hint(exchange, message)
    elif kind == PUSH:
        headers = [checked_header(exchange, pair) for pair in message.get("headers") or ()]
        push = (message["path"], headers)
        _extensions(exchange).setdefault(PUSH, []).append(push)
    elif kind == PATHSEND:
        await _send_path(exchange, message)
    else:
        await _send_file(exchange, message)


def trailers_promised(exchange: ResponseState) -> bool:
    """A response with `trailers` in its start: a list that is filled when they come."""
    _extensions(exchange)[TRAILERS] = []
    return True


def _send_trailers(exchange: ResponseState, message: dict[str, Any]) -> None:
    promised = (exchange.extensions or {}).get(TRAILERS)
    if promised is None:
        raise exchange.record_violation(
            "sent http.response.trailers without having promised them",
            "send http.response.start with trailers=True",
        )
    promised.extend(checked_header(exchange, pair) for pair in message.get("headers") or ())
    if not message.get("more_trailers", False):
        exchange.end()


def _hint(exchange: ResponseState, message: dict[str, Any]) -> None:
    """Links for the client to fetch already: a 103, which comes before the response."""
    if exchange.started:
        raise exchange.record_violation(
            "sent http.response.early_hint after http.response.start", "send hints first"
        )
    links = list(message.get("links") or ())
    wrong = [link for link in links if not isinstance(link, bytes)]
    if wrong:
        raise exchange.record_violation(
            f"sent the early hint {wrong[0]!r}", "send each link as bytes"
        )
    for link in links:
        checked_header(exchange, (b"link", link))
    _extensions(exchange).setdefault(EARLY_HINT, []).extend(links)


async def _send_path(exchange: ResponseState, message: dict[str, Any]) -> None:
    async with await anyio.open_file(message["path"], "rb") as file:
        while chunk := await file.read(_CHUNK):
            await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
    await exchange.send({"type": "http.response.body"})


async def _send_file(exchange: ResponseState, message: dict[str, Any]) -> None:
    """A part of an open file: from `offset` or where it stands, `count` bytes or all."""
    file, left = message["file"], message.get("count")
    handle = file if isinstance(file, int) else file.fileno()
    if message.get("offset") is not None:
        os.lseek(handle, message["offset"], os.SEEK_SET)
    while left is None or left > 0:
        size = _CHUNK if left is None else min(left, _CHUNK)
        chunk = await anyio.to_thread.run_sync(os.read, handle, size)
        if not chunk:
            break
        left = None if left is None else left - len(chunk)
        await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
    more = message.get("more_body", False)
    await exchange.send({"type": "http.response.body", "more_body": more})


def _extensions(exchange: ResponseState) -> dict[str, Any]:
    if exchange.extensions is None:
        exchange.extensions = {}
    return exchange.extensions
