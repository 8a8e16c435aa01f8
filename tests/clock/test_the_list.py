"""The list of what must be right in virtual time, under every runner that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

LISTS = Path(__file__).parent / "lists"
TRIO = "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'trio'\n"

# name: the list, ini lines, conftest
RUNNERS = {
    "anyio": ("either", "", ""),
    "anyio, trio": ("either", "", TRIO),
    "pytest-asyncio strict": ("either", "asyncio_mode = strict", "asyncio"),
    "pytest-asyncio auto": ("either", "asyncio_mode = auto", ""),
    "pytest-trio": ("either", "trio_mode = true", ""),
    "asyncio only, anyio": ("on_asyncio", "", ""),
    "asyncio only, strict": ("on_asyncio", "asyncio_mode = strict", "asyncio"),
    "asyncio only, auto": ("on_asyncio", "asyncio_mode = auto", ""),
}


@pytest.mark.usefixtures("every_plugin")
@pytest.mark.parametrize("runner", RUNNERS)
def test_the_list(pytester: pytest.Pytester, runner: str) -> None:
    """Every row passes; none is skipped but for a missing package."""
    name, ini, conftest = RUNNERS[runner]
    text = (LISTS / f"{name}.py").read_text()
    if conftest == "asyncio":
        text = text.replace("\nasync def test_", "\n@pytest.mark.asyncio\nasync def test_")
        conftest = ""
    pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}\n")
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_list=text)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-W", "error")
    rows = text.count("\nasync def test_")
    assert result.parseoutcomes() == {"passed": rows} | {
        key: value for key, value in result.parseoutcomes().items() if key == "note"
    }
