"""What the two have in common."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI, WebSocket
from pydantic import BaseModel

CARRIER = "https://carrier.example"
CUSTOMS = "https://customs.example"
SCALES = "https://scales.example"
INSURER = "https://insurer.example"
STAMPS = "https://stamps.example"
SCHEMA = "CREATE TABLE IF NOT EXISTS views (parcel INTEGER)"
INSERT = "INSERT INTO views VALUES (?)"

router = APIRouter()


class Parcel(BaseModel):
    to: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    async with (
        httpx.AsyncClient(base_url=CARRIER, timeout=5.0) as carrier,
        httpx.AsyncClient(base_url=CUSTOMS, timeout=5.0) as customs,
    ):
        yield {"carrier": carrier, "customs": customs, "told": []}


def views() -> str:
    """The file in which views are counted."""
    return os.environ.get("PARCELS_VIEWS", "views.db")


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    await socket.accept()
    async for number in socket.iter_text():
        await socket.send_json({"number": int(number), "place": "on its way"})
