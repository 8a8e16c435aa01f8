"""The stock room, an upstream: how many there are, and holding some back."""

import asyncio

import anyio
import httpx

from .errors import OutOfStock, StockUnavailable

PAUSES = (0.2, 0.4)  # seconds before the second and the third try
AT_ONCE = 10  # calls that the stock room takes at one time


class Stock:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._slots = anyio.CapacityLimiter(AT_ONCE)

    async def available(self, sku: str) -> int:
        """How many there are of one product."""
        async with self._slots:
            response = await self._get(f"/items/{sku}")
        try:
            return int(response.json()["available"])
        except (ValueError, KeyError) as error:
            raise StockUnavailable from error

    async def available_all(self, skus: list[str]) -> dict[str, int]:
        """How many there are of several products, asked at the same time."""
        counts = await asyncio.gather(*(self.available(sku) for sku in skus))
        return dict(zip(skus, counts, strict=True))

    async def reserve(self, quantities: dict[str, int]) -> str:
        """Hold these back for us; gives the number of the reservation."""
        try:
            response = await self._http.post("/reservations", json=quantities)
            if response.status_code == httpx.codes.CONFLICT:
                raise OutOfStock
            return str(response.raise_for_status().json()["id"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise StockUnavailable from error

    async def release(self, reservation: str) -> None:
        """Put back what a reservation holds."""
        try:
            response = await self._http.delete(f"/reservations/{reservation}")
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise StockUnavailable from error

    async def _get(self, path: str) -> httpx.Response:
        """Read, and try again after a pause: reading twice does no harm."""
        pauses = iter(PAUSES)
        while True:
            try:
                response = await self._http.get(path)
                return response.raise_for_status()
            except httpx.HTTPError as error:
                pause = next(pauses, None)
                if pause is None:
                    raise StockUnavailable from error
                await asyncio.sleep(pause)
