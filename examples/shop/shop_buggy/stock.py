"""The stock room, an upstream."""

import asyncio
import time

import httpx

from shop.errors import StockUnavailable
from shop.stock import PAUSES
from shop.stock import Stock as SoundStock


class Stock(SoundStock):
    async def available_all(self, skus: list[str]) -> dict[str, int]:
        """How many there are of several products, asked at the same time."""
        answers = await asyncio.gather(*(self._get(f"/items/{sku}") for sku in skus))
        return {
            sku: int(answer.json()["available"]) for sku, answer in zip(skus, answers, strict=True)
        }

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
                time.sleep(pause)
