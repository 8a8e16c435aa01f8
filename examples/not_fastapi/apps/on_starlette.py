"""`uvicorn apps.on_starlette:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from .weather import TooSlow, open_station, temperature, ticks


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with open_station() as station:
        yield {"station": station}


async def weather(request: Request) -> Response:
    try:
        celsius = await temperature(request.state.station, request.path_params["city"])
    except TooSlow:
        return Response(status_code=504)
    return JSONResponse({"celsius": celsius})


async def clock(request: Request) -> Response:
    return StreamingResponse(ticks(), media_type="text/event-stream")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


routes = [
    Route("/weather/{city}", weather),
    Route("/clock", clock),
    WebSocketRoute("/echo", echo),
]
app = Starlette(routes=routes, lifespan=lifespan)
