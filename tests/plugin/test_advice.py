"""A line to paste has the syntax of the configuration file that is in use."""

from __future__ import annotations

import pytest

from pytest_asyncfastapi._plugin.config_advice import in_syntax

APP = """
import time
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def root():
    time.sleep(0.01)
"""
TEST = "async def test_it(asgi_client):\n    await asgi_client.get('/')\n"
# pytest-asyncio warns without it, while pytest is configured.
QUIET = ("-o", "asyncio_default_fixture_loop_scope=function")
FILES = {
    "pyproject.toml": ("[tool.pytest.ini_options]\n", 'asyncfastapi_app = "shop:app"\n'),
    "pytest.ini": ("[pytest]\n", "asyncfastapi_app = shop:app\n"),
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
    ("name", "has", "text", "told"),
    [
        (
            "pyproject.toml",
            'asyncfastapi_allow_blocking = ["file@x"]\n',
            "asyncfastapi_allow_blocking = sleep@shop",
            'add "sleep@shop" to asyncfastapi_allow_blocking',
        ),
        (
            "pytest.ini",
            "asyncfastapi_allow_blocking = file@x\n",
            "asyncfastapi_allow_blocking = sleep@shop",
            "add sleep@shop to asyncfastapi_allow_blocking",
        ),
        (
            "pytest.ini",
            "asyncfastapi_passthrough = localhost\n",
            "asyncfastapi_passthrough = a.example",
            "add a.example to asyncfastapi_passthrough",
        ),
        (
            "pyproject.toml",
            "",
            "Fix: set asyncfastapi_runner = off. Or (asyncio_mode = strict).",
            'Fix: set asyncfastapi_runner = "off". Or (asyncio_mode = "strict").',
        ),
        (
            "pytest.ini",
            "",
            "Fix: write asyncfastapi_app = yourpackage.main:app in it",
            "Fix: write asyncfastapi_app = yourpackage.main:app in it",
        ),
        (
            "pyproject.toml",
            "",
            "Fix: write asyncfastapi_app = yourpackage.main:app in it",
            'Fix: write asyncfastapi_app = "yourpackage.main:app" in it',
        ),
    ],
)
def test_in_words(pytester: pytest.Pytester, name: str, has: str, text: str, told: str) -> None:
    """A key that is there is added to: standing twice, it would keep pytest from starting."""
    (pytester.path / name).write_text(FILES[name][0] + has)
    assert in_syntax(pytester.parseconfigure(*QUIET), text) == told


def test_without_a_file_the_project_decides(pytester: pytest.Pytester) -> None:
    """A pyproject.toml that says nothing of pytest yet is where the line will go."""
    (pytester.path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    told = in_syntax(pytester.parseconfigure(*QUIET), "asyncfastapi_app = shop:app")
    assert told == 'asyncfastapi_app = "shop:app"'


def test_what_a_test_is_told_is_in_the_syntax(pytester: pytest.Pytester) -> None:
    """Here: no app was found."""
    pytester.makepyfile(test_it=TEST)
    (pytester.path / "pyproject.toml").write_text(FILES["pyproject.toml"][0])
    found = pytester.runpytest_inprocess("-q")
    found.assert_outcomes(errors=1)
    line = 'Fix: write asyncfastapi_app = "yourpackage.main:app" in your pytest configuration'
    assert line in found.stdout.str()
