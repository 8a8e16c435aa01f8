"""`uvicorn apps.on_nothing:app`: an ASGI callable, without a framework."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any

from .weather import TooSlow, open_station, temperature, ticks

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def app(scope: Message, receive: Receive, send: Send) -> None:
    match scope["type"], scope.get("path", "").split("/")[1:]:
        case "lifespan", _:
            await lifespan(scope, receive, send)
        case "websocket", ["echo"]:
            await echo(receive, send)
        case "http", ["clock"]:
            await clock(receive, send)
        case "http", ["weather", city]:
            await weather(scope, city, send)
        case _:
            await respond(send, 404)


async def lifespan(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    async with open_station() as station:
        scope["state"]["station"] = station
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def weather(scope: Message, city: str, send: Send) -> None:
    try:
        celsius = await temperature(scope["state"]["station"], city)
    except TooSlow:
        return await respond(send, 504)
    await respond(send, 200, json.dumps({"celsius": celsius}).encode())


async def clock(receive: Receive, send: Send) -> None:
    async def tell() -> None:
        async with aclosing(ticks()) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})

    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    telling = asyncio.create_task(tell())
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def respond(send: Send, status: int, body: bytes = b"") -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
