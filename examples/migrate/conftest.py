"""Which app is tested: the sound one, or with `--hurry` the one with a bug in each endpoint."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from parcels import in_a_hurry, sound


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hurry", action="store_true", help="test the app written in a hurry")


@pytest.fixture(autouse=True)
def fresh_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARCELS_VIEWS", str(tmp_path / "views.db"))


@pytest.fixture
def app(request: pytest.FixtureRequest) -> FastAPI:
    return in_a_hurry.app if request.config.getoption("--hurry") else sound.app


@pytest.fixture
def asgi_app(app: FastAPI) -> FastAPI:
    """All that pytest-asyncfastapi has to be told."""
    return app
