"""What it asserts holds, and it fails: the driver is not one for an `async def`."""

from pathlib import Path

import pytest
from pytest_asyncfastapi import AsgiClient

pytestmark = pytest.mark.asyncfastapi(app="notes.in_a_hurry:app")


@pytest.fixture(autouse=True)
def fresh_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_DATABASE_URL", f"sqlite:///{tmp_path / 'notes.db'}")


async def test_notes_are_counted(asgi_client: AsgiClient) -> None:
    await asgi_client.post("/notes", json={"text": "milk"})

    assert (await asgi_client.get("/count")).json() == 1
