from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from pytest_asyncfastapi import open_app


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test of this room runs on both."""
    return request.param


@pytest.fixture(params=["httpx", "httpx2"])
def http(request: pytest.FixtureRequest) -> ModuleType:
    """The library that the client is one of: tests that ask for it run with both."""
    pytest.importorskip(request.param)
    return import_module(request.param)


@pytest.fixture
def opened(http: ModuleType) -> Callable[..., Any]:
    """`open_app` with a client of that library, for bare apps without a lifespan."""
    return functools.partial(open_app, client=http.__name__, lifespan=False)
