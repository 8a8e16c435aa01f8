"""The app: `uvicorn --factory shop_buggy.main:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from shop import catalogue, checkout, orders, sale
from shop.errors import ShopError
from shop.main import say_what_went_wrong
from shop.settings import Settings
from shop.state import open_shop

from . import catalogue as own_catalogue
from . import orders as own_orders
from . import sale as own_sale
from .payments import Payments
from .stock import Stock


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    async with (
        open_shop(Settings.from_environment(), Stock, Payments) as shop,
        httpx.AsyncClient(timeout=1.0) as http,
    ):
        yield {"shop": shop, "http": http}


def create_app() -> FastAPI:
    app = FastAPI(title="Shop", lifespan=lifespan)
    app.add_exception_handler(ShopError, say_what_went_wrong)
    app.include_router(own_catalogue.router)  # the first route that matches wins
    app.include_router(own_orders.router)
    app.include_router(own_sale.router)
    app.include_router(catalogue.router)
    app.include_router(checkout.router)
    app.include_router(orders.router)
    app.include_router(sale.router)
    return app
