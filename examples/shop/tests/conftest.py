"""What only the suite of the sound app needs."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shop.database import open_database


@pytest.fixture
async def session(asgi_client: httpx.AsyncClient, database_url: str) -> AsyncIterator[AsyncSession]:
    """A session of the test's own, to see what the app has really written."""
    async with open_database(database_url) as sessions, sessions() as session:
        yield session
