"""Which app is tested: a fixture says so, with a parameter for each."""

from importlib import import_module
from typing import Any

import pytest


@pytest.fixture(params=["on_starlette", "on_litestar", "on_nothing"])
def asgi_app(request: pytest.FixtureRequest) -> Any:
    """All that the plugin has to be told."""
    return import_module(f"apps.{request.param}").app
