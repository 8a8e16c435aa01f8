"""The flash sale: a few kettles at half price."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from .errors import OutOfStock
from .state import CurrentShop, Customer

PRICE = 1950  # in cents

router = APIRouter()


class SaleOrder(BaseModel):
    card: str


@router.get("/sale")
async def read_sale(shop: CurrentShop) -> dict[str, int]:
    return {"left": shop.lot.left, "sold": shop.lot.sold, "watching": shop.lot.watching}


@router.get("/sale/events")
async def watch_sale(shop: CurrentShop) -> StreamingResponse:
    return StreamingResponse(as_events(shop.lot.counts()), media_type="text/event-stream")


async def as_events(counts: AsyncGenerator[int]) -> AsyncIterator[str]:
    async with aclosing(counts):
        async for left in counts:
            yield f"event: left\ndata: {left}\n\n"


@router.post("/sale/orders", status_code=201)
async def buy(order: SaleOrder, customer: Customer, shop: CurrentShop) -> dict[str, str]:
    if not shop.lot.left:
        raise OutOfStock
    # Taken before anything is awaited: nobody else can have it.
    shop.lot.set(shop.lot.left - 1)
    try:
        charge = await shop.payments.charge(order.card, PRICE)
    except BaseException:  # being cancelled is no `Exception`
        shop.lot.set(shop.lot.left + 1)
        raise
    shop.lot.sold += 1
    return {"charge": charge}


@router.delete("/sale/orders/{charge}", status_code=204)
async def give_back(charge: str, customer: Customer, shop: CurrentShop) -> None:
    await shop.payments.refund(charge)
    shop.lot.sold -= 1
    shop.lot.set(shop.lot.left + 1)
