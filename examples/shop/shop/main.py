"""The app: `uvicorn --factory shop.main:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from . import catalogue, checkout, orders, sale
from .errors import ShopError
from .settings import Settings
from .state import Shop, open_shop


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Shop]]:
    async with open_shop(Settings.from_environment()) as shop:
        yield {"shop": shop}


def create_app() -> FastAPI:
    app = FastAPI(title="Shop", lifespan=lifespan)
    app.add_exception_handler(ShopError, say_what_went_wrong)
    app.include_router(catalogue.router)
    app.include_router(checkout.router)
    app.include_router(orders.router)
    app.include_router(sale.router)
    return app


async def say_what_went_wrong(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ShopError)
    return JSONResponse({"detail": error.detail}, status_code=error.status)
