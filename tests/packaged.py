"""What `nox -s package` asks: is all in the wheel, and does the first test run from it?"""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
import zipfile
from typing import TYPE_CHECKING

from tests import pages

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "pytest_asyncfastapi"
_PYPROJECT = tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILT_WITH: list[str] = _PYPROJECT["build-system"]["requires"]
# As an empty environment fills up; after each line the smallest project is run.
STEPS = (
    ("pytest==8.4.*",),
    ("--upgrade", "pytest"),
    ("pytest-asyncio",),
    ("trio",),
    ("httpx2",),
    ("fastapi",),
    ("pytest==8.4.*",),
)
_APP = """
try:
    from fastapi import FastAPI
except ImportError:

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"[]"})
else:
    app = FastAPI()

    @app.get("/products")
    async def products():
        return []
"""
# pytest-asyncio has an advice about a key that this project does not need.
_MORE = """
pythonpath = ["."]
filterwarnings = ["error", "ignore:The configuration option:pytest.PytestDeprecationWarning"]
"""
_CONFTEST = """
from importlib.util import find_spec

import pytest
import pytest_asyncfastapi

assert "site-packages" in pytest_asyncfastapi.__file__


@pytest.fixture(params=["asyncio", *(["trio"] if find_spec("trio") else [])])
def anyio_backend(request):
    return request.param
"""


def not_in(wheel: Path) -> list[str]:
    """What the package's folder has and the wheel has not: code, `py.typed`, data."""
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    files = (path for path in (pages.ROOT / PACKAGE).rglob("*") if path.is_file())
    names = (path.relative_to(pages.ROOT).as_posix() for path in files)
    return sorted(name for name in names if "__pycache__" not in name and name not in there)


def version(built: Path) -> str:
    """The version in the name of a wheel or an sdist."""
    return built.name.removesuffix(".tar.gz").split("-")[1]


def write_copies(folder: Path) -> dict[Path, str]:
    """The project at a tag, in a clone without tags, and without git; what each version is like."""
    shutil.rmtree(folder, ignore_errors=True)
    wanted = {"tagged": r"9\.8\.7", "untagged": r"0\.1\.0\.dev\d+\+g\w+"}
    wanted["plain"] = re.escape(_PYPROJECT["tool"]["hatch"]["version"]["fallback-version"])
    for name in wanted:
        copy = folder / name
        copy.mkdir(parents=True)
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(pages.ROOT / file, copy)
        git = ("git", "-c", "user.name=tests", "-c", "user.email=tests@localhost", "-C", str(copy))
        if name != "plain":
            for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
                subprocess.run([*git, *command], check=True)
        if name == "tagged":
            subprocess.run([*git, "tag", "v9.8.7"], check=True)
    return {folder / name: pattern for name, pattern in wanted.items()}


def write_smallest(folder: Path) -> None:
    """The first test of the README, its configuration, and an app of whatever is installed."""
    (folder / "shop").mkdir(parents=True, exist_ok=True)
    (config,) = pages.blocks("README.md", "toml")
    first = next(block for block in pages.blocks("README.md") if block.tests)
    for name, text in {
        "pyproject.toml": config.text + _MORE,
        "conftest.py": _CONFTEST,
        "shop/main.py": _APP,
        "test_first.py": first.text,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
