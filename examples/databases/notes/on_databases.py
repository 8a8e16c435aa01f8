"""`uvicorn notes.on_databases:app`: SQL in words, by `databases`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from databases import Database
from fastapi import Depends, FastAPI, Request

from .common import NoteIn, database_url, prepare, within_budget

KEYS = {"sqlite": "INTEGER PRIMARY KEY", "postgresql": "SERIAL PRIMARY KEY"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Database]]:
    # `force_rollback` is the library's own: whatever is written is rolled back at the end.
    rollback = "NOTES_ROLLBACK" in os.environ
    async with Database(database_url(), force_rollback=rollback) as database:
        key = KEYS[database.url.dialect]
        await database.execute(f"CREATE TABLE IF NOT EXISTS notes (id {key}, text TEXT NOT NULL)")
        yield {"database": database}


async def get_session(request: Request) -> Database:
    database: Database = request.state.database
    return database


app = prepare(FastAPI(lifespan=lifespan))
Session = Annotated[Database, Depends(get_session)]


@app.post("/notes", status_code=201)
async def write(note: NoteIn, session: Session) -> None:
    async with within_budget():
        await session.execute("INSERT INTO notes (text) VALUES (:text)", {"text": note.text})


@app.get("/notes")
async def read(session: Session) -> list[str]:
    async with within_budget():
        rows = await session.fetch_all("SELECT text FROM notes ORDER BY id")
    return [row["text"] for row in rows]
