"""What was bought."""

import time

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
def print_label(order_id: int) -> str:
    """A plain `def`: the printer's driver waits, and FastAPI runs this in a thread."""
    time.sleep(0.05)
    return f"label of order {order_id} printed"
