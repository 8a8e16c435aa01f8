"""The Python blocks of docs/client.md are run, as the test files of one project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# file: (\S+)\n")


@pytest.mark.parametrize("client", ["httpx", "httpx2"])
def test_every_python_block_runs(pytester: pytest.Pytester, client: str) -> None:
    """Blocks that begin with `# file: NAME` are that file, the others are test files."""
    pytest.importorskip(client)
    blocks = _BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    tests = 0
    for number, block in enumerate(blocks):
        named = _FILE.match(block)
        name = named[1] if named else f"test_block_{number}.py"
        # The page is written for httpx; the other library has the same names.
        text = block if client == "httpx" else re.sub(r"\bhttpx\b", client, block)
        pytester.path.joinpath(name).write_text(text, encoding="utf-8")
        tests += len(re.findall(r"^(?:async )?def test_", text, re.MULTILINE))
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "asyncfastapi_app = shop:app\n"
        f"asyncfastapi_client = {client}\nfilterwarnings = error\n"
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=tests)
    assert tests > 10
