"""What there is to buy."""

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict
from sqlalchemy import desc, func, select

from .errors import NotFound, StockUnavailable
from .models import OrderLine, Product
from .state import CurrentShop

router = APIRouter()


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    sku: str
    name: str
    price: int


@router.get("/products", response_model=list[ProductOut])
async def list_products(shop: CurrentShop) -> list[Product]:
    async with shop.sessions() as session:
        return list(await session.scalars(select(Product).order_by(Product.id)))


@router.get("/products/{product_id}", response_model=ProductOut)
async def read_product(product_id: int, shop: CurrentShop) -> Product:
    async with shop.sessions() as session:
        product = await session.get(Product, product_id)
    if product is None:
        raise NotFound
    return product


@router.get("/availability")
async def read_availability(shop: CurrentShop) -> dict[str, int]:
    async with shop.sessions() as session:
        skus = list(await session.scalars(select(Product.sku).order_by(Product.id)))
    return await shop.stock.available_all(skus)


@router.websocket("/availability/ask")
async def tell_availability(socket: WebSocket, shop: CurrentShop) -> None:
    """Somebody leafs through the catalogue: a sku comes in, how many there are goes out."""
    await socket.accept()
    try:
        async for sku in socket.iter_text():
            await socket.send_json({sku: await shop.stock.available(sku)})
    except StockUnavailable as error:
        await socket.close(1013, error.detail)  # try again later


@router.get("/bestsellers")
async def list_bestsellers(shop: CurrentShop) -> dict[str, int]:
    sold = func.sum(OrderLine.quantity)
    query = select(OrderLine.sku, sold).group_by(OrderLine.sku).order_by(desc(sold))
    async with shop.sessions() as session:
        rows = await session.execute(query)
        return {sku: int(count) for sku, count in rows}
