"""Every example beside the shop is green, and what is planted in it is found."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(folder: str, *arguments: str, needs: tuple[str, ...] = ()) -> tuple[int, str]:
    """The suite of an example: its exit status and what it says."""
    missing = [name for name in needs if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed here: nox -s examples installs it")
    plain = ("-p", "no:cacheprovider", "-W", "error", "-q")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, *arguments],
        cwd=EXAMPLES / folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return result.returncode, result.stdout + result.stderr


def test_the_ai_gateway_is_green_and_without_findings() -> None:
    """No false alarm, and no warning."""
    status, said = run("ai_gateway", "-p", "no:asyncio")
    assert status == 0, said
    assert "12 passed" in said
    assert "pytest-asyncfastapi =" not in said


def test_one_suite_is_green_on_three_kinds_of_app() -> None:
    """Starlette, Litestar, and no framework."""
    status, said = run("not_fastapi", "-p", "no:asyncio", needs=("litestar",))
    assert status == 0, said
    assert "15 passed" in said
