"""The smallest app that calls out."""

import httpx
from fastapi import FastAPI

app = FastAPI()


@app.get("/price/{sku}")
async def price(sku: str) -> dict[str, int]:
    async with httpx.AsyncClient(timeout=2) as client:
        answer = await client.get(f"https://prices.example/{sku}")
    return {"cents": answer.json()}
