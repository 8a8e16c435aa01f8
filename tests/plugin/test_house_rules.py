"""The rules of the code base: lazy imports, imports between packages, the size of files."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import pytest_asyncfastapi

PACKAGE = Path(pytest_asyncfastapi.__file__).parent
HEAVY = (
    "httpx httpx2 httpcore httpcore2 respx starlette fastapi anyio._backends._asyncio trio "
    "asgi_lifespan asyncio sqlite3"
).split()

# Which packages a package may import, beside `_core`.
ALLOWED = {
    "_core": {"_core"},
    "_recording": {"_recording"},
    "_app": {"_app"},
    "_checks": {"_checks"},
    "_client": {"_client"},
    "_clock": {"_clock"},
    "_blocking": {"_blocking"},
    "_concurrency": {"_concurrency"},
    "_coverage": {"_coverage"},
    "_connections": {"_connections", "_faults"},
    "_explore": {"_explore", "_faults", "_upstream", "_clock"},
    "_faults": {"_faults"},
    "_upstream": {"_upstream", "_faults"},
    "_report": {"_report"},
}


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    """pytest and the standard library only: a start of pytest does not pay for httpx."""
    code = (
        "import sys, pytest; before = set(sys.modules); import pytest_asyncfastapi.plugin; "
        f"print([m for m in {HEAVY!r} if m in sys.modules and m not in before])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert found.strip() == "[]"


def test_a_run_without_our_fixtures_imports_no_package(pytester: pytest.Pytester) -> None:
    """Installed but unused: plain tests import neither the client nor what watches a test."""
    pytester.makepyfile(
        """
        import sys

        def test_plain():
            ours = [m for m in sys.modules if m.startswith("pytest_asyncfastapi.")]
            heavy = [m for m in ours if m.split(".")[1] in ("_client", "_upstream", "_faults",
                                                              "_blocking", "_clock", "_app",
                                                              "_concurrency", "_connections")]
            assert heavy == []
        """
    )
    pytester.run(sys.executable, "-m", "pytest").assert_outcomes(passed=1)


def test_pytest_rewrites_no_asserts_of_ours(pytester: pytest.Pytester) -> None:
    """It takes long to load what it has rewritten. The user's helpers are rewritten as usual."""
    pytester.makepyfile(helper="def check(value): assert value == 2")
    pytester.makepyfile(
        """
        import sys
        import pytest
        pytest.register_assert_rewrite("helper")
        import helper

        async def test_here(clock):
            loaders = {
                name: type(module.__spec__.loader).__name__
                for name, module in list(sys.modules.items())
                # The package itself says so, and a name that ends like a test's is one to pytest.
                if name.startswith("pytest_asyncfastapi.") and not name.endswith("_test")
            }
            assert len(loaders) > 60
            assert {*loaders.values()} == {"SourceFileLoader"}

        def test_rewritten():
            with pytest.raises(AssertionError, match="assert 3 == 2"):
                helper.check(3)
        """
    )
    pytester.run(sys.executable, "-m", "pytest", "-p", "no:asyncio").assert_outcomes(passed=2)


@cache
def parsed(path: Path) -> ast.Module:
    """Most rules look at every file."""
    return ast.parse(path.read_text())


def imports(path: Path) -> set[str]:
    """The top-level names inside our package that a module imports, at run time."""
    found: set[str] = set()
    depth = len(path.relative_to(PACKAGE).parts) - 1
    tree = parsed(path)
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in typing_only:
            up = node.level - 1
            if up == depth:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                found.update(name.partition(".")[0] for name in names if name)
            else:
                found.add(path.relative_to(PACKAGE).parts[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_only_what_they_may(package: str) -> None:
    """A package knows its own modules, `_core`, and the packages named in ALLOWED."""
    for path in (PACKAGE / package).rglob("*.py"):
        assert imports(path) <= ALLOWED[package] | {"_core"}, path


def test_the_top_level_shows_what_is_public() -> None:
    """The root, the plugin's module and the command are public; all packages are private."""
    public = {path.stem for path in PACKAGE.iterdir() if not path.name.startswith("_")}
    assert public == {"errors", "plugin", "report", "py"}  # py.typed
    assert len([path for path in PACKAGE.iterdir() if path.is_file()]) <= 8


def test_who_imports_pytest() -> None:
    """Only `_plugin`, the report, and the engine that runs a test again do."""
    for package in set(ALLOWED) - {"_report"}:
        for path in set((PACKAGE / package).rglob("*.py")) - {PACKAGE / "_explore" / "engine.py"}:
            for node in ast.walk(parsed(path)):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                assert not {"pytest", "_pytest"} & {name.partition(".")[0] for name in names}, path


def test_files_stay_small_and_say_what_they_are_for() -> None:
    """Under 400 lines; a module docstring."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        assert ast.get_docstring(parsed(path)), path


def test_signatures_are_asked_for_in_one_place() -> None:
    """`inspect.signature()` evaluates annotations, from Python 3.14 on those of a type checker."""
    asking = {"signature", "getfullargspec", "get_annotations", "get_type_hints"}
    for path in PACKAGE.rglob("*.py"):
        called = {
            node.func.attr
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not called & asking or path.name == "signatures.py", path


def test_the_benchmarks_import_what_there_is() -> None:
    """They run seldom, and would not notice that something has another name now."""
    for path in (PACKAGE.parent / "benchmarks").rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), (path, alias.name)


# Parameters and results annotated with `Any`, by package: where a library gives nothing better.
# A number falls with the change that removes some, and never rises.
MOST_ANY = {
    "__init__.py": 1,
    "_app": 148,
    "_blocking": 89,
    "_checks": 38,
    "_client": 143,
    "_clock": 62,
    "_concurrency": 197,
    "_connections": 121,
    "_core": 109,
    "_coverage": 12,
    "_explore": 217,
    "_faults": 39,
    "_plugin": 105,
    "_recording": 38,
    "_report": 85,
    "_upstream": 366,
    "errors.py": 1,
}


def any_in_signatures(path: Path) -> int:
    """How many parameters and results of a file's functions are annotated with `Any`."""
    found = 0
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
            notes = [argument.annotation for argument in every if argument is not None]
            for note in (*notes, node.returns):
                names = () if note is None else ast.walk(note)
                found += any(isinstance(name, ast.Name) and name.id == "Any" for name in names)
    return found


def test_any_in_signatures_does_not_spread() -> None:
    """Counted by package."""
    found: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0]
        found[part] = found.get(part, 0) + any_in_signatures(path)
    assert {part: n for part, n in found.items() if n > MOST_ANY.get(part, 0)} == {}
