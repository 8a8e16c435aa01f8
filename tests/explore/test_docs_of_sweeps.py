"""The block of the page that sweeps a part of a test runs, against the app that it needs."""

from __future__ import annotations

import pytest

from tests import pages

(BLOCK,) = [block for block in pages.blocks("docs/explore.md") if "explore_faults" in block.text]
APP = """
import httpx
import pytest
from fastapi import FastAPI, HTTPException


class Orders:
    def __init__(self):
        self.all = []

    def rows(self):
        return list(self.all)

    def clear(self):
        self.all.clear()


app = FastAPI()
kept = Orders()


@app.post("/checkout")
async def checkout():
    async with httpx.AsyncClient() as http:
        try:
            paid = await http.post("https://pay.example/charges")
            paid.raise_for_status()
        except httpx.HTTPError:
            raise HTTPException(502)
    KEEP


@pytest.fixture
def orders():
    return kept


@pytest.fixture
def asgi_app():
    return app
"""


@pytest.mark.parametrize("sound", [True, False])
def test_the_block_runs(pytester: pytest.Pytester, sound: bool) -> None:
    """With an app that keeps what is paid; not with one that keeps the row before."""
    app = APP.replace("KEEP", 'kept.all.append("paid")')
    if not sound:
        app = app.replace("    async with", '    kept.all.append("new")\n    async with', 1)
        app = app.replace('.append("paid")', '.remove("new")')
    pytester.makepyfile(conftest=app, test_block=BLOCK.text)
    result = pytester.runpytest("-q", "-p", "no:asyncio")
    result.assert_outcomes(passed=int(sound), failed=int(not sound))
    if not sound:
        result.stdout.fnmatch_lines(["*fault sweep: side effect when POST https://pay.example/*"])
