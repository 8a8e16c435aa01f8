"""`uvicorn notes.on_sqlalchemy:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .common import NoteIn, database_url, prepare, within_budget


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


def async_url(url: str) -> str:
    """The same with the driver's name in it."""
    kind, rest = url.split("://", 1)
    return {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}[kind] + "://" + rest


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    engine = create_async_engine(async_url(database_url()))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield {"sessions": async_sessionmaker(engine, expire_on_commit=False)}
    await engine.dispose()


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.state.sessions() as session:
        yield session


app = prepare(FastAPI(lifespan=lifespan))
Session = Annotated[AsyncSession, Depends(get_session)]


@app.post("/notes", status_code=201)
async def write(note: NoteIn, session: Session) -> None:
    session.add(Note(text=note.text))
    async with within_budget():
        await session.commit()


@app.get("/notes")
async def read(session: Session) -> list[str]:
    async with within_budget():
        return list(await session.scalars(select(Note.text).order_by(Note.id)))
