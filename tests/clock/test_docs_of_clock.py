"""Every code block of docs/clock.md is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "clock.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
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


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_block_runs(pytester: pytest.Pytester, block: str) -> None:
    """On asyncio and on trio."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest(APP)
    pytester.makepyfile(block)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)
