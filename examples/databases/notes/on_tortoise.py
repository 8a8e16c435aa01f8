"""`uvicorn notes.on_tortoise:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from tortoise import Model, connections, fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.contrib.fastapi import RegisterTortoise

from .common import NoteIn, database_url, prepare, within_budget


class Note(Model):
    id = fields.IntField(primary_key=True)
    text = fields.TextField()

    class Meta:
        table = "notes"


def tortoise_url(url: str) -> str:
    """The same in Tortoise's words."""
    kind, rest = url.split("://", 1)
    # In an absolute path, SQLAlchemy's URLs have one slash more.
    return f"sqlite://{rest.removeprefix('/')}" if kind == "sqlite" else f"asyncpg://{rest}"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Not `Tortoise.init()`: it sets a context variable, which no request of a server sees.
    url, models = tortoise_url(database_url()), {"models": [__name__]}
    async with RegisterTortoise(app, db_url=url, modules=models, generate_schemas=True):
        yield


async def get_session() -> BaseDBAsyncClient:
    return connections.get("default")


app = prepare(FastAPI(lifespan=lifespan))
Session = Annotated[BaseDBAsyncClient, Depends(get_session)]


@app.post("/notes", status_code=201)
async def write(note: NoteIn, session: Session) -> None:
    async with within_budget():
        await Note.create(text=note.text, using_db=session)


@app.get("/notes")
async def read(session: Session) -> list[str]:
    async with within_budget():
        notes = await Note.all(using_db=session).order_by("id")
    return [note.text for note in notes]
