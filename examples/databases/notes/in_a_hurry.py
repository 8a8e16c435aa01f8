"""The notes on SQLAlchemy, and a count that was added in a hurry."""

import sqlite3
from contextlib import closing

from fastapi import FastAPI

from .common import database_url, prepare
from .on_sqlalchemy import lifespan, read, write

app = prepare(FastAPI(lifespan=lifespan))
app.get("/notes")(read)
app.post("/notes", status_code=201)(write)


@app.get("/count")
async def count() -> int:
    path = database_url().removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT count(*) FROM notes").fetchall()
    return int(rows[0][0])
