"""From a cart to an order: hold the goods, charge the card, write it down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from fastapi import APIRouter, BackgroundTasks
from pydantic import BaseModel, Field
from sqlalchemy import select

from .database import Sessions
from .errors import NotFound, OutOfStock, StockUnavailable
from .models import Order, OrderLine, Product
from .orders import OrderOut
from .receipts import send_receipt
from .state import CurrentShop, Customer
from .stock import Stock

router = APIRouter()


class Cart(BaseModel):
    items: dict[str, int] = Field(min_length=1)  # how many of each sku
    card: str


@router.post("/checkout", status_code=201, response_model=OrderOut)
async def checkout(
    cart: Cart, customer: Customer, shop: CurrentShop, background: BackgroundTasks
) -> Order:
    total = await price(shop.sessions, cart.items)
    available = await shop.stock.available_all(list(cart.items))
    if any(available[sku] < wanted for sku, wanted in cart.items.items()):
        raise OutOfStock
    async with reserved(shop.stock, cart.items):
        charge = await shop.payments.charge(cart.card, total)
    lines = [OrderLine(sku=sku, quantity=quantity) for sku, quantity in cart.items.items()]
    order = Order(customer=customer, total=total, charge=charge, lines=lines)
    async with shop.sessions.begin() as session:
        session.add(order)
    background.add_task(send_receipt, shop.sessions, order)
    return order


async def price(sessions: Sessions, items: dict[str, int]) -> int:
    """The total in cents; `NotFound` for what we do not sell."""
    async with sessions() as session:
        found = list(await session.scalars(select(Product).where(Product.sku.in_(items))))
    if len(found) < len(items):
        raise NotFound
    return sum(product.price * items[product.sku] for product in found)


@asynccontextmanager
async def reserved(stock: Stock, items: dict[str, int]) -> AsyncIterator[None]:
    """Hold the goods back; put them back if the block fails."""
    reservation = await stock.reserve(items)
    try:
        yield
    except BaseException:  # being cancelled is no `Exception`
        with anyio.CancelScope(shield=True), suppress(StockUnavailable):
            await stock.release(reservation)
        raise
