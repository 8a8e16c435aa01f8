"""The language model, an upstream that streams."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx2

TIMEOUT = httpx2.Timeout(5.0, read=15.0)  # `read` is for each piece, and starts anew with it
FIRST_TOKEN = 20.0  # seconds for the whole way to the first token


class ModelError(Exception):
    """The model gives no answer, or not all of it; `status` is what a client is told."""

    def __init__(self, detail: str, status: int = 502, retry_after: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.headers = {"Retry-After": retry_after} if retry_after else {}


@dataclass(frozen=True)
class Answer:
    first: str
    rest: AsyncIterator[str]


class Model:
    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    @asynccontextmanager
    async def answer(self, prompt: str) -> AsyncIterator[Answer]:
        """Ask, and wait for the first token; hang up when the block ends.

        Raises `ModelError`, here and while the rest is read.
        """
        async with aclosing(self._tokens(prompt)) as tokens:
            try:
                # A model that thinks sends comments, so that no read ever takes too long.
                async with asyncio.timeout(FIRST_TOKEN):
                    first = await anext(tokens, "")
            except TimeoutError as error:
                raise ModelError("the model is still thinking", 504) from error
            yield Answer(first, tokens)

    async def _tokens(self, prompt: str) -> AsyncGenerator[str]:
        body = {"messages": [{"role": "user", "content": prompt}], "stream": True}
        try:
            async with self._http.stream("POST", "/v1/chat", json=body) as response:
                if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
                    raise ModelError("the model is busy", 503, response.headers["Retry-After"])
                async for line in response.raise_for_status().aiter_lines():
                    if line == "data: [DONE]":
                        return
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))["token"]
        except httpx2.TimeoutException as error:
            raise ModelError("the model has fallen silent", 504) from error
        except httpx2.HTTPError as error:
            raise ModelError("the model is out of reach") from error
        raise ModelError("the model stopped in mid-sentence")
