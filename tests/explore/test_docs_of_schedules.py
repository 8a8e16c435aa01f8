"""The code block of the page is true."""

from __future__ import annotations

import pytest

from tests import pages

BLOCKS = [block for block in pages.blocks("docs/explore.md") if "explore_schedules" in block.text]
SHOP = """
import asyncio

from fastapi import Depends, FastAPI


def checked():
    return True


def new_app(apples):
    app = FastAPI()
    app.state.apples = apples

    async def sell_one():
        apples = app.state.apples
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        app.state.apples = apples - 1

    @app.post("/sell")
    async def sell():
        await sell_one()

    @app.post("/order")
    async def order(_=Depends(checked)):
        await sell_one()

    return app
"""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_the_block_runs(pytester: pytest.Pytester, block: pages.Block) -> None:
    """Under anyio's runner, as a test that nobody else claims."""
    pytester.makepyfile(shop=SHOP, test_block=block.text)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)
