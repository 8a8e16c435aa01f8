"""The app: `uvicorn parcels.sound:app`."""

import aiohttp
import aiosqlite
import httpx
import requests
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request

from .common import INSERT, INSURER, SCALES, SCHEMA, STAMPS, Parcel, lifespan, router, views

app = FastAPI(lifespan=lifespan)
app.include_router(router)


@app.post("/parcels", status_code=201)
async def take(parcel: Parcel) -> dict[str, object]:
    return {"number": 1, "to": parcel.to}


@app.post("/parcels/{number}/send", status_code=202)
async def send(number: int, request: Request, background: BackgroundTasks) -> dict[str, bool]:
    background.add_task(tell, request.state.told, number)
    return {"sent": True}


async def tell(told: list[int], number: int) -> None:
    """Whoever waits for a parcel is told that it has been sent."""
    told.append(number)


@app.get("/parcels/{number}/place")
async def place(number: int, request: Request) -> dict[str, str]:
    try:
        answer = await request.state.carrier.get(f"/parcels/{number}")
    except httpx.TimeoutException:
        raise HTTPException(504, "The carrier does not answer") from None
    return {"place": answer.raise_for_status().json()["place"]}


@app.get("/parcels/{number}/cleared")
async def cleared(number: int, request: Request) -> dict[str, bool]:
    # The papers may be long; only the status is wanted.
    async with request.state.customs.stream("GET", f"/papers/{number}") as answer:
        return {"cleared": answer.status_code == httpx.codes.OK}


@app.get("/parcels/{number}")
async def read(number: int) -> dict[str, int]:
    async with aiosqlite.connect(views()) as database:
        await database.execute(SCHEMA)
        await database.execute(INSERT, (number,))
        await database.commit()
    return {"number": number}


@app.get("/parcels/{number}/weight")
async def weight(number: int) -> dict[str, float]:
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            async with session.get(f"{SCALES}/parcels/{number}") as answer:
                return {"kilos": (await answer.json())["kilos"]}
    except TimeoutError:
        raise HTTPException(504, "The scales do not answer") from None


@app.get("/parcels/{number}/insurance")
def insurance(number: int) -> dict[str, int]:
    answer = requests.get(f"{INSURER}/parcels/{number}", timeout=5)
    return {"cents": answer.json()["cents"]}


@app.get("/stamp")
async def stamp() -> dict[str, int]:
    async with httpx.AsyncClient(timeout=5.0) as client:
        answer = await client.get(f"{STAMPS}/price")
    return {"cents": answer.json()["cents"]}
