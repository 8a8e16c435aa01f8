"""The flash sale."""

from fastapi import APIRouter

from shop.errors import OutOfStock
from shop.sale import PRICE, SaleOrder
from shop.state import CurrentShop, Customer

router = APIRouter()


@router.post("/sale/orders", status_code=201)
async def buy(order: SaleOrder, customer: Customer, shop: CurrentShop) -> dict[str, str]:
    if not shop.lot.left:
        raise OutOfStock
    shop.lot.set(shop.lot.left - 1)
    try:
        charge = await shop.payments.charge(order.card, PRICE)
    except Exception:
        shop.lot.set(shop.lot.left + 1)
        raise
    shop.lot.sold += 1
    return {"charge": charge}


@router.delete("/sale/orders/{charge}", status_code=204)
async def give_back(charge: str, customer: Customer, shop: CurrentShop) -> None:
    left = shop.lot.left
    await shop.payments.refund(charge)
    shop.lot.sold -= 1
    shop.lot.set(left + 1)
