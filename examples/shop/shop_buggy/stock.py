"""The stock room, an upstream."""

import time

import httpx

from shop.errors import StockUnavailable
from shop.stock import PAUSES
from shop.stock import Stock as SoundStock


class Stock(SoundStock):
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
