"""The app is found where people keep it; what fails says where we looked and what to write."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_asyncfastapi._app.locate import AppNotFound, AppSpec, find_app

APP = "async def app(scope, receive, send): ...\ndef create_app(): return app\nnumber = 7\n"


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test has its own sys.path, and forgets the modules that it imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(root: Path, name: str, text: str = APP) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("text", ["located_a:app", "located_a:create_app()"])
def test_an_import_string(tmp_path: Path, text: str) -> None:
    """A variable, or a factory that is called."""
    write(tmp_path, "located_a.py")
    assert find_app(AppSpec(text, "the flag"), tmp_path).__name__ == "app"


@pytest.mark.parametrize("name", ["main.py", "app.py", "api.py", "app/main.py", "app/api.py"])
def test_the_conventions_of_fastapis_command_line(tmp_path: Path, name: str) -> None:
    """With nothing said, the files where `fastapi dev` looks."""
    write(tmp_path, name)
    assert find_app(None, tmp_path).__name__ == "app"


def test_a_package_below_the_root(tmp_path: Path) -> None:
    """`app/main.py` in a package is imported as app.main, so relative imports work."""
    write(tmp_path, "app/__init__.py", "")
    write(tmp_path, "app/main.py", "from .other import app")
    write(tmp_path, "app/other.py")
    assert find_app(None, tmp_path).__module__ == "app.other"


def test_tool_fastapi_entrypoint(tmp_path: Path) -> None:
    """`[tool.fastapi] entrypoint` in pyproject.toml comes before the files."""
    write(tmp_path, "main.py", "raise SystemExit('not this one')")
    write(tmp_path, "located_b.py")
    write(tmp_path, "pyproject.toml", '[tool.fastapi]\nentrypoint = "located_b:app"\n')
    assert find_app(None, tmp_path).__module__ == "located_b"


def test_nothing_found_lists_every_place(tmp_path: Path) -> None:
    """And says what to write."""
    write(tmp_path, "main.py", "x = 1")
    with pytest.raises(AppNotFound) as caught:
        find_app(None, tmp_path)
    text = str(caught.value)
    assert "pyproject.toml, [tool.fastapi] entrypoint: no pyproject.toml" in text
    assert "main.py: has no `app` and no `api`" in text
    assert "app/api.py: no such file" in text
    assert "Fix: write asyncfastapi_app = yourpackage.main:app" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "'nonsense' (from the flag) does not name an app"),
        ("a:b c", "does not name an app"),
        ("nowhere.at_all:app", "there is no module 'nowhere'"),
        ("located_c:missing", "was imported, but it has no 'missing'"),
        ("located_c:number", "'located_c:number' (from the flag) is a int, not an ASGI app"),
        ("located_c:number()", "is a int, not an ASGI app"),
        ("located_needs:app", "needs 'not_installed_thing', which is not installed"),
        ("located_broken:app", "importing 'located_broken' failed with KeyError: 'TOKEN'"),
    ],
)
def test_what_fails_says_which_half(tmp_path: Path, text: str, words: str) -> None:
    """Every failure is a sentence with its origin and a fix, or the list of what there is."""
    write(tmp_path, "located_c.py")
    write(tmp_path, "located_needs.py", "import not_installed_thing")
    write(tmp_path, "located_broken.py", "import os; os.environ['TOKEN' * 0 or 'TOKEN']")
    with pytest.raises(AppNotFound) as caught:
        find_app(AppSpec(text, "the flag"), tmp_path)
    assert words in str(caught.value)
    assert "(from the flag)" in str(caught.value) or "not an ASGI app" in str(caught.value)
    assert "Fix" in str(caught.value) or "cannot be called" in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[tool.fastapi]\nentrypoint = 3\n", "entrypoint is 3; write a string"),
        ("[tool.fastapi\n", "the file is not valid TOML"),
    ],
)
def test_a_wrong_pyproject(tmp_path: Path, toml: str, words: str) -> None:
    """A wrong type and a broken file are named."""
    write(tmp_path, "pyproject.toml", toml)
    with pytest.raises(AppNotFound, match=words):
        find_app(None, tmp_path)


def test_names_that_the_module_has_are_suggested(tmp_path: Path) -> None:
    """A misspelt variable: the apps that are there."""
    write(tmp_path, "located_d.py", "from fastapi import FastAPI\nservice = FastAPI()\n")
    with pytest.raises(AppNotFound, match="It has: service. Fix: name one of them"):
        find_app(AppSpec("located_d:app", "the flag"), tmp_path)
