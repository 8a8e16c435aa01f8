"""The Python blocks of docs/client.md are run, as the test files of one project."""

from __future__ import annotations

import re

import pytest

from tests import pages


@pytest.mark.parametrize("client", ["httpx", "httpx2"])
def test_every_python_block_runs(pytester: pytest.Pytester, client: str) -> None:
    """The page is written for httpx; the other library has the same names."""
    pytest.importorskip(client)
    tests = pages.write(
        pytester.path, "docs/client.md", change=lambda text: re.sub(r"\bhttpx\b", client, text)
    )
    pytester.makeini(
        f"{pages.INI}asyncfastapi_app = shop:app\n"
        f"asyncfastapi_client = {client}\nfilterwarnings = error\n"
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=tests)
    assert tests > 10
