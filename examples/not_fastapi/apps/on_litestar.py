"""`uvicorn apps.on_litestar:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, get, websocket_listener
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Stream

from .weather import TooSlow, open_station, temperature, ticks


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with open_station() as app.state.station:
        yield


@get("/weather/{city:str}")
async def weather(city: FromPath[str], state: State) -> dict[str, float]:
    try:
        return {"celsius": await temperature(state.station, city)}
    except TooSlow as error:
        raise HTTPException(status_code=504) from error


@get("/clock")
async def clock() -> Stream:
    return Stream(ticks(), media_type="text/event-stream")


@websocket_listener("/echo")
async def echo(data: str) -> str:
    return data


app = Litestar([weather, clock, echo], lifespan=[lifespan], openapi_config=None)
