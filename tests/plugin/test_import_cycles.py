"""Circles of imports, also of annotations: a type that two modules share belongs below both."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest_asyncfastapi

PACKAGE = Path(pytest_asyncfastapi.__file__).parent


def name_of(path: Path) -> str:
    """Dotted, below the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imported(name: str) -> set[str]:
    """The modules of the package that this one imports anywhere."""
    path = MODULES[name]
    here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            module = ".".join([*base, *((node.module or "").split(".") if node.module else ())])
            for alias in node.names:
                below = f"{module}.{alias.name}".lstrip(".")
                found |= {below} if below in MODULES else {module} & MODULES.keys()
    return found - {name, ""}


def test_there_is_no_circle() -> None:
    """Also none of annotations only, nor of imports inside functions."""
    try:
        TopologicalSorter({name: imported(name) for name in MODULES}).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle of imports: {error.args[1]}") from None
