"""The Python blocks of docs/upstream.md are run, against an app that does what they say."""

from __future__ import annotations

import json

import pytest

from tests import pages

SHOP = """
import os

import aiohttp
import httpx
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy.exc import OperationalError

app = FastAPI()


@app.post("/checkout")
async def checkout():
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            headers = {"Idempotency-Key": "k1"}
            await client.post("https://pay.example/charge", json={"amount": 5}, headers=headers)
        except httpx.HTTPError:
            raise HTTPException(503) from None


payments = FastAPI()


@payments.post("/charge")
async def charge():
    return {}


@app.get("/items")
async def items():
    async with httpx.AsyncClient(http2=True) as client:
        try:
            return (await client.get("https://stock.example/items")).json()
        except httpx.HTTPError:
            raise HTTPException(503) from None


@app.get("/report")
async def report():
    async with httpx.AsyncClient(timeout=5) as client:
        async with client.stream("GET", "https://stock.example/report") as response:
            return len([line async for line in response.aiter_lines()])


class Database:
    async def execute(self, statement):
        return []


async def get_db():
    yield Database()


@app.exception_handler(OperationalError)
async def unavailable(request, error):
    from fastapi.responses import JSONResponse

    return JSONResponse({}, 503)


@app.get("/orders")
async def orders(db=Depends(get_db)):
    return await db.execute("select 1")


@app.get("/rates")
async def rates():
    if "PAY_URL" not in os.environ:
        async with httpx.AsyncClient() as client:
            return (await client.get("https://pay.example/rates")).json()
    async with aiohttp.ClientSession() as session:
        async with session.get(os.environ["PAY_URL"] + "/rates") as response:
            return await response.json()
"""
TAPE = {
    "format": "pytest-asyncfastapi tape",
    "version": 1,
    "calls": [
        {
            "request": {"method": "GET", "url": "https://pay.example/rates"},
            "response": {"status": 200, "json": {"eur": 1}},
        }
    ],
}
IMPORTS = "from sqlalchemy.exc import OperationalError\nfrom shop import get_db, payments\n"


def test_every_python_block_runs(pytester: pytest.Pytester) -> None:
    """Each holds what it asserts, and has no finding."""
    for package in ("aiohttp", "h2", "sqlalchemy", "fastapi"):
        pytest.importorskip(package)
    pytester.makepyfile(shop=SHOP)
    pytester.mkdir("tapes").joinpath("rates.json").write_text(json.dumps(TAPE), encoding="utf-8")
    tests = pages.write(pytester.path, "docs/upstream.md", prelude=IMPORTS)
    pytester.makeini(pages.INI + "asyncfastapi_app = shop:app\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=tests)
    assert tests == 9
