"""Receipts: written down for the mailer, after the customer has the answer."""

from .database import Sessions
from .models import Order, Receipt


async def send_receipt(sessions: Sessions, order: Order) -> None:
    """Put the receipt of an order into the mailer's table."""
    text = f"Thank you! Order {order.id}: {order.total / 100:.2f} EUR."
    async with sessions.begin() as session:
        session.add(Receipt(order_id=order.id, recipient=order.customer, text=text))
