"""The payment provider, an upstream: charging a card, at most once."""

import asyncio

import httpx

from .errors import CardDeclined, PaymentsTooSlow, PaymentsUnavailable

BUDGET = 2.0  # seconds that a customer waits for a charge


class Payments:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def charge(self, card: str, amount: int) -> str:
        """Charge a card; gives the number of the charge."""
        try:
            # httpx limits each read, not the whole call: the budget is ours to keep.
            async with asyncio.timeout(BUDGET):
                response = await self._http.post("/charges", json={"card": card, "amount": amount})
            if response.status_code == httpx.codes.PAYMENT_REQUIRED:
                raise CardDeclined
            return str(response.raise_for_status().json()["id"])
        except TimeoutError as error:
            raise PaymentsTooSlow from error
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise PaymentsUnavailable from error

    async def refund(self, charge: str) -> None:
        """Give the money of a charge back."""
        try:
            async with asyncio.timeout(BUDGET):
                response = await self._http.delete(f"/charges/{charge}")
            response.raise_for_status()
        except TimeoutError as error:
            raise PaymentsTooSlow from error
        except httpx.HTTPError as error:
            raise PaymentsUnavailable from error
