"""What the three have in common."""

import asyncio
import os
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

BUDGET = 3.0  # seconds that a request waits for the database


class NoteIn(BaseModel):
    text: str


def database_url() -> str:
    """Such as `sqlite:///notes.db` or `postgresql://localhost/notes`."""
    return os.environ.get("NOTES_DATABASE_URL", "sqlite:///notes.db")


def within_budget() -> AbstractAsyncContextManager[object]:
    return asyncio.timeout(BUDGET)


async def say_that_it_is_away(request: Request, error: Exception) -> JSONResponse:
    """A refused connection is an `OSError`, and so is a `TimeoutError`."""
    return JSONResponse({"detail": "The database does not answer"}, status_code=503)


def prepare(app: FastAPI) -> FastAPI:
    app.add_exception_handler(OSError, say_that_it_is_away)
    return app
