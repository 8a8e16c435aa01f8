"""The same in a hurry: what is taken from the pool is given back where all goes well."""

from fastapi import HTTPException

from .main import TheOffice, app
from .office import CacheFailed, DatabaseFailed


@app.get("/hurry/{currency}")
async def read_rate_in_a_hurry(currency: str, office: TheOffice) -> float:
    try:
        connection = await office.pool.acquire()
        rate = await office.cache.get(f"rate:{currency}")
        if rate is None:
            rate = await connection.fetchval(
                "SELECT rate FROM conversions WHERE currency = $1", currency
            )
        await office.pool.release(connection)
    except (CacheFailed, *DatabaseFailed):
        raise HTTPException(503, "no rate is known") from None
    return float(rate or 0)
