"""A small project to explore: one app, its upstream, a file in which it keeps things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

INI = """
[pytest]
asyncfastapi_app = shopapp:app
filterwarnings = error
asyncio_default_fixture_loop_scope = function
pythonpath = .
; A busy machine takes more than 100 ms to build a TLS context.
asyncfastapi_cpu_threshold = 2s
"""
HEAD = """
import asyncio
import anyio
import httpx
from contextlib import asynccontextmanager
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import StreamingResponse

app = FastAPI()
URL = "https://up.example/a"
"""
TEST = """
import httpx
import pytest
import shopapp

@pytest.fixture
def up(upstream):
    upstream.get("https://up.example/a").respond(json={"n": 1})
    return upstream
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> Callable[[str, str], pytest.Pytester]:
    """Write the app and its tests, each given without what all have in common."""

    def write(app: str, tests: str) -> pytest.Pytester:
        pytester.makefile(".ini", pytest=INI)
        pytester.makepyfile(shopapp=HEAD + app, test_it=TEST + tests)
        return pytester

    return write
