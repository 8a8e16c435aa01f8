from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from pytest_asyncfastapi import open_app
from pytest_asyncfastapi._faults import Faults


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test of this package runs on both, where trio is installed."""
    pytest.importorskip(request.param)
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


@pytest.fixture
def faults() -> Faults:
    """A table of its own, without a test's state around it."""
    return Faults(0, "the test")


@pytest.fixture
def faulty(opened: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
    """`open_app` with those faults on the way in."""

    def faulty(app: Any, **options: Any) -> Any:
        return opened(app, way_in=faults.client.decide, **options)

    return faulty
