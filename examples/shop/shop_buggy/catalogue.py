"""What there is to buy."""

import sqlite3
from contextlib import closing, suppress

import httpx
from fastapi import APIRouter, Request

from shop.catalogue import ProductOut
from shop.errors import NotFound
from shop.models import Product
from shop.state import CurrentShop

router = APIRouter()


@router.get("/products/{product_id}", response_model=ProductOut)
async def read_product(product_id: int, shop: CurrentShop, request: Request) -> Product:
    async with shop.sessions() as session:
        product = await session.get(Product, product_id)
    if product is None:
        raise NotFound
    await count_view(request.state.http, product.sku)
    return product


async def count_view(http: httpx.AsyncClient, sku: str) -> None:
    """Tell the statistics; they must never break the shop."""
    with suppress(Exception):
        await http.post("https://stats.example/views", json={"sku": sku})


@router.get("/bestsellers")
async def list_bestsellers(shop: CurrentShop) -> dict[str, int]:
    query = "SELECT sku, sum(quantity) AS sold FROM order_lines GROUP BY sku ORDER BY sold DESC"
    path = shop.settings.database_url.removeprefix("sqlite+aiosqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute(query).fetchall())
