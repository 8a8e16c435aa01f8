"""Every code block of docs/clock.md is true."""

from __future__ import annotations

import pytest

from tests import pages

BLOCKS = pages.blocks("docs/clock.md")
APP = """
import anyio, pytest
from fastapi import FastAPI, Response

app = FastAPI()

@app.get("/bounded")
async def bounded():
    with anyio.move_on_after(2):
        await anyio.sleep(30)
    return Response(status_code=504)

@pytest.fixture
def asgi_app():
    return app

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param
"""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_the_block_runs(pytester: pytest.Pytester, block: pages.Block) -> None:
    """On asyncio and on trio."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest(APP)
    pytester.makepyfile(block.text)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)
