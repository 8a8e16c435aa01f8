"""What the lifespan opens, and how endpoints get at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import anyio
import httpx
from fastapi import Depends, Header
from fastapi.requests import HTTPConnection

from .database import Sessions, open_database
from .lot import Lot
from .payments import Payments
from .settings import Settings
from .stock import Stock

PRINTERS = 10  # for labels


@dataclass(frozen=True)
class Shop:
    settings: Settings
    sessions: Sessions
    stock: Stock
    payments: Payments
    lot: Lot
    printers: anyio.CapacityLimiter


@asynccontextmanager
async def open_shop(
    settings: Settings,
    stock: type[Stock] = Stock,
    payments: type[Payments] = Payments,
) -> AsyncIterator[Shop]:
    """Open the database and one HTTP client for each upstream."""
    async with (
        open_database(settings.database_url) as sessions,
        httpx.AsyncClient(base_url=settings.stock_url, timeout=1.0) as stock_http,
        httpx.AsyncClient(base_url=settings.payments_url, timeout=5.0) as payments_http,
    ):
        printers = anyio.CapacityLimiter(PRINTERS)
        yield Shop(settings, sessions, stock(stock_http), payments(payments_http), Lot(), printers)


# `async def`, though they await nothing: for a `def` FastAPI would take a thread each time.
async def current_shop(connection: HTTPConnection) -> Shop:
    """The shop that the lifespan opened."""
    shop: Shop = connection.state.shop
    return shop


async def current_customer(x_customer: Annotated[str, Header()]) -> str:
    """The customer's address, as the gateway in front of us has checked it."""
    return x_customer


CurrentShop = Annotated[Shop, Depends(current_shop)]
Customer = Annotated[str, Depends(current_customer)]
