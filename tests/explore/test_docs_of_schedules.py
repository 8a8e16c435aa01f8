"""The code block of the page is true, and so is the interleaving that it shows."""

from __future__ import annotations

import re

import pytest

from tests import pages

BLOCKS = [
    block
    for block in pages.blocks("docs/explore.md")
    if any(name in block.text for name in ("explore_schedules", "explore_together", "together("))
]
SHOP = """\
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

    @app.post("/buy")
    async def buy():
        app.state.apples -= 1

    @app.get("/apples")
    async def count():
        return {"apples": app.state.apples}

    return app
"""

CONFTEST = """\
import pytest
from shop import new_app


@pytest.fixture
def asgi_app():
    return new_app(apples=10)
"""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_the_block_runs(pytester: pytest.Pytester, block: pages.Block) -> None:
    """Under anyio's runner, as a test that nobody else claims."""
    pytester.makepyfile(shop=SHOP, test_block=block.text, conftest=CONFTEST)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_the_outcomes_are_what_is_said(pytester: pytest.Pytester) -> None:
    """Of two racy requests of the same app."""
    (block,) = (block for block in BLOCKS if "explore_together" in block.text)
    racy = block.text.replace('"/buy"', '"/sell"', 1).replace('"/buy"', '"/order"')
    pytester.makepyfile(shop=SHOP, test_block=racy)
    result = pytester.runpytest_subprocess("-q", "--tb=short")
    result.assert_outcomes(failed=1)
    (shown,) = (b for b in pages.blocks("docs/explore.md", "text") if "observed" in b.text)
    assert pages.is_shown_by(chosen(shown.text), chosen("\n".join(result.outlines)))


def chosen(text: str) -> str:
    """Without what depends on how many steps the libraries make."""
    text = re.sub(r"trace \w+", "trace X", text)
    text = re.sub(r"(random|fifo)-[\d@:]+", r"\1-N", text)
    text = re.sub(r"\d+ of \d+|number \d+|\d+ (?= (POST|the))", "N ", text)
    return re.sub(r"(?m)^E? +|(?<=\S) +", " ", text)


def test_the_interleaving_is_what_is_said(pytester: pytest.Pytester) -> None:
    """Of the page's own example, where nobody catches it."""
    (block,) = (block for block in BLOCKS if "ScheduleFailure" in block.text)
    uncaught = re.sub(r"with pytest\.raises\(.*\n    ", "if True:\n    ", block.text)
    pytester.makepyfile(shop=SHOP, test_block=uncaught)
    result = pytester.runpytest_subprocess("-q", "--tb=short")
    result.assert_outcomes(failed=1)
    (shown,) = (b for b in pages.blocks("docs/explore.md", "text") if "who ran when" in b.text)
    assert pages.is_shown_by(chosen(shown.text), chosen("\n".join(result.outlines)))
