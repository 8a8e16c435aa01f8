"""A model that answers, and a client that collects."""

import json

import pytest
import respx
from pytest_asyncfastapi import AsgiClient, Upstream

MODEL = "https://llm.example/v1/chat"
QUESTION = {"prompt": "What is the answer?"}


def spoken(*tokens: str, end: str = "data: [DONE]\n\n") -> str:
    """What the model's server sends."""
    return "".join(f"data: {json.dumps({'token': token})}\n\n" for token in tokens) + end


async def listen(client: AsgiClient) -> list[tuple[str, str]]:
    """Every event of an answer."""
    async with client.sse("/chat", method="POST", json=QUESTION) as events:
        return [(event.event, event.json()) async for event in events]


@pytest.fixture
def model(upstream: Upstream) -> respx.Route:
    """Says `Forty-two.` in three tokens."""
    return upstream.post(MODEL).respond(text=spoken("Forty", "-two", "."))
