"""The app: `uvicorn --factory gateway.main:create_app`."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx2
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from .model import TIMEOUT, Answer, Model, ModelError


class Question(BaseModel):
    prompt: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Model]]:
    url = os.environ.get("MODEL_URL", "https://llm.example")
    async with httpx2.AsyncClient(base_url=url, timeout=TIMEOUT) as http:
        yield {"model": Model(http)}


async def ask(question: Question, request: Request) -> AsyncIterator[Answer]:
    """The model's answer, open until the response has been sent or the client has left."""
    async with request.state.model.answer(question.prompt) as answer:
        yield answer


async def chat(answer: Annotated[Answer, Depends(ask)]) -> StreamingResponse:
    return StreamingResponse(as_events(answer), media_type="text/event-stream")


async def as_events(answer: Answer) -> AsyncIterator[str]:
    try:
        yield as_event("token", answer.first)
        async for token in answer.rest:
            yield as_event("token", token)
        yield as_event("done", "")
    except ModelError as error:  # it is too late for a status
        yield as_event("error", error.detail)


def as_event(kind: str, text: str) -> str:
    return f"event: {kind}\ndata: {json.dumps(text)}\n\n"


async def say_what_went_wrong(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ModelError)
    return JSONResponse({"detail": error.detail}, error.status, headers=error.headers)


def create_app() -> FastAPI:
    app = FastAPI(title="AI gateway", lifespan=lifespan)
    app.add_exception_handler(ModelError, say_what_went_wrong)
    app.post("/chat")(chat)
    return app
