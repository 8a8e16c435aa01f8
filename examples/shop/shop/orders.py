"""What was bought."""

import time

import anyio.to_thread
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict

from .errors import NotFound
from .models import Order
from .state import CurrentShop, Customer

router = APIRouter()


class OrderOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    total: int


@router.get("/orders/{order_id}", response_model=OrderOut)
async def read_order(order_id: int, customer: Customer, shop: CurrentShop) -> Order:
    async with shop.sessions() as session:
        order = await session.get(Order, order_id)
    if order is None or order.customer != customer:
        raise NotFound
    return order


@router.post("/orders/{order_id}/label", response_class=PlainTextResponse)
async def print_label(order_id: int, shop: CurrentShop) -> str:
    # Threads of its own: those of FastAPI, 40 for all endpoints, stay free.
    return await anyio.to_thread.run_sync(drive_printer, order_id, limiter=shop.printers)


def drive_printer(order_id: int) -> str:
    """The printer's driver waits."""
    time.sleep(0.05)
    return f"label of order {order_id} printed"
