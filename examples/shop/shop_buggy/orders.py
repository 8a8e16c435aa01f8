"""What was bought."""

import asyncio
import time

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from shop.models import Order
from shop.orders import OrderOut
from shop.orders import read_order as read_sound_order
from shop.state import CurrentShop, Customer

router = APIRouter()


@router.get("/orders/{order_id}", response_model=OrderOut)
async def read_order(order_id: int, customer: Customer, shop: CurrentShop) -> Order:
    order = await read_sound_order(order_id, customer, shop)
    asyncio.create_task(remind(order))
    return order


async def remind(order: Order) -> None:
    """Who looks at an order may like to order again, in a week."""
    await asyncio.sleep(7 * 24 * 3600)
    print(f"Dear {order.customer}, we have new mugs!")


@router.post("/orders/{order_id}/label", response_class=PlainTextResponse)
def print_label(order_id: int) -> str:
    """The printer's driver waits, so this is a plain `def`: it has a thread."""
    time.sleep(0.05)
    return f"label of order {order_id} printed"
