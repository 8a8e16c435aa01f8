"""Starlette's TestClient: plain functions, the app in a thread."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_a_parcel_is_taken(client: TestClient) -> None:
    response = client.post("/parcels", json={"to": "Oslo"})

    assert response.status_code == 201
    assert response.json() == {"number": 1, "to": "Oslo"}


def test_a_parcel_is_followed(client: TestClient) -> None:
    with client.websocket_connect("/live") as socket:
        socket.send_text("1")
        answer = socket.receive_json()

    assert answer == {"number": 1, "place": "on its way"}
