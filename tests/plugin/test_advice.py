"""A line to paste has the syntax of the configuration file that is in use."""

from __future__ import annotations

import pytest

APP = """
import time
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def root():
    time.sleep(0.01)
"""
TEST = "async def test_it(asgi_client):\n    await asgi_client.get('/')\n"
FILES = {
    "pyproject.toml": ("[tool.pytest.ini_options]\n", 'asyncfastapi_app = "shop:app"\n'),
    "pytest.ini": ("[pytest]\n", "asyncfastapi_app = shop:app\n"),
    "tox.ini": ("[pytest]\n", "asyncfastapi_app = shop:app\n"),
}


def intended(pytester: pytest.Pytester) -> str:
    """The line that a finding offers."""
    found = pytester.runpytest_inprocess("-q")
    found.assert_outcomes(failed=1)
    lines = [line for line in found.outlines if "intended?" in line]
    return lines[0].partition("intended? ")[2]


@pytest.mark.parametrize("name", FILES)
def test_pasted_it_allows_what_was_found(pytester: pytest.Pytester, name: str) -> None:
    """And pytest starts."""
    pytester.makepyfile(shop=APP, test_it=TEST)
    config = pytester.path / name
    config.write_text("".join(FILES[name]))
    line = intended(pytester)
    config.write_text(config.read_text() + line + "\n")
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("name", "has", "told"),
    [
        (
            "pyproject.toml",
            'asyncfastapi_allow_blocking = ["file@x"]\n',
            'add "sleep@shop" to asyncfastapi_allow_blocking',
        ),
        (
            "pytest.ini",
            "asyncfastapi_allow_blocking = file@x\n",
            "add sleep@shop to asyncfastapi_allow_blocking",
        ),
    ],
)
def test_a_key_that_is_there_is_added_to(
    pytester: pytest.Pytester, name: str, has: str, told: str
) -> None:
    """A key that stands twice would keep pytest from starting."""
    pytester.makepyfile(shop=APP, test_it=TEST)
    (pytester.path / name).write_text("".join(FILES[name]) + has)
    assert intended(pytester) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pyproject.toml", 'asyncfastapi_app = "yourpackage.main:app"'),
        ("pytest.ini", "asyncfastapi_app = yourpackage.main:app"),
    ],
)
def test_a_sentence_has_it_too(pytester: pytest.Pytester, name: str, told: str) -> None:
    """Here: no app was found."""
    pytester.makepyfile(test_it=TEST)
    (pytester.path / name).write_text(FILES[name][0])
    found = pytester.runpytest_inprocess("-q")
    found.assert_outcomes(errors=1)
    assert f"Fix: write {told} in your pytest configuration" in found.stdout.str()


def test_without_a_file_the_project_decides(pytester: pytest.Pytester) -> None:
    """A pyproject.toml that says nothing of pytest yet is where the line will go."""
    pytester.makepyfile(test_it=TEST)
    (pytester.path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    found = pytester.runpytest_inprocess("-q")
    assert 'asyncfastapi_app = "yourpackage.main:app"' in found.stdout.str()
