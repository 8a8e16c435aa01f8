"""The endpoints."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, PositiveInt

from .office import DatabaseFailed, NoRate, Office, open_office


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with open_office() as app.state.office:
        yield


app = FastAPI(lifespan=lifespan)


def get_office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


TheOffice = Annotated[Office, Depends(get_office)]


class Conversion(BaseModel):
    currency: str
    cents: PositiveInt


@app.get("/rates/{currency}")
async def read_rate(currency: str, office: TheOffice) -> float:
    try:
        return await office.rate(currency)
    except NoRate:
        raise HTTPException(502, "the bank does not answer") from None


@app.post("/conversions", status_code=201)
async def convert(conversion: Conversion, office: TheOffice) -> dict[str, float]:
    rate = await read_rate(conversion.currency, office)
    try:
        async with office.pool.acquire() as connection, connection.transaction():
            number = await connection.fetchval(
                "INSERT INTO conversions (currency, cents, rate) VALUES ($1, $2, $3) RETURNING id",
                conversion.currency,
                conversion.cents,
                rate,
            )
    except DatabaseFailed:
        raise HTTPException(503, "nothing can be written down") from None
    return {"id": number, "cents": conversion.cents * rate}


@app.get("/conversions")
async def count_conversions(office: TheOffice) -> int:
    try:
        count: int = await office.pool.fetchval("SELECT count(*) FROM conversions")
    except DatabaseFailed:
        raise HTTPException(503, "the books cannot be read") from None
    return count
