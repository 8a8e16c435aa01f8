"""The database: opened once, in the lifespan; sessions are short."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from .models import Base, Product

Sessions = async_sessionmaker[AsyncSession]


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Sessions]:
    """Create what is missing, and give out sessions until the block ends."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", let_readers_be)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with sessions.begin() as session:
            if not await session.scalar(select(func.count()).select_from(Product)):
                session.add_all(catalogue())
        yield sessions
    finally:
        await engine.dispose()


def let_readers_be(connection: Any, record: Any) -> None:
    """Write ahead: a SELECT that was cut off in the middle then stops nobody from writing."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def catalogue() -> list[Product]:
    """What a new shop sells."""
    return [
        Product(id=1, sku="mug", name="A mug", price=900),
        Product(id=2, sku="tea", name="A pound of tea", price=1450),
        Product(id=3, sku="kettle", name="A kettle", price=3900),
    ]
