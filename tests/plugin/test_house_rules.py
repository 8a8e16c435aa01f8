"""The house keeps its own rules: lazy imports, closed walls between rooms, small files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_asyncfastapi

PACKAGE = Path(pytest_asyncfastapi.__file__).parent
HEAVY = (
    "httpx httpx2 httpcore httpcore2 respx starlette fastapi anyio._backends._asyncio trio "
    "asgi_lifespan asyncio sqlite3"
).split()

# Which rooms a room may import, beside the shared records at the top.
WALLS = {
    "app": {"app"},
    "client": {"client"},
    "clock": {"clock"},
    "blocking": {"blocking"},
    "concurrency": {"concurrency"},
    "explore": {"explore", "faults", "upstream", "clock"},
    "faults": {"faults"},
    "connections": {"connections", "faults"},
    "upstream": {"upstream", "faults"},
    "report": {"report"},
}
SHARED = {"findings", "frames", "units", "activity", "context", "tasks", "_http"}
SHARED |= {"births", "await_chains", "ending", "stopwatch", "other_clients", "unseen_clients"}
SHARED |= {"signatures", "handed_over", "waiters", "active_scopes", "held_back", "late_import"}
SHARED |= {"step_layers"}


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


def test_a_run_without_our_fixtures_imports_no_room(pytester: pytest.Pytester) -> None:
    """Installed but unused: no room of ours is imported for plain tests."""
    pytester.makepyfile(
        """
        import sys

        def test_plain():
            rooms = [m for m in sys.modules if m.startswith("pytest_asyncfastapi.")]
            heavy = [m for m in rooms if m.split(".")[1] in ("client", "upstream", "faults",
                                                              "blocking", "clock", "app",
                                                              "concurrency", "connections")]
            assert heavy == []
        """
    )
    pytester.run(sys.executable, "-m", "pytest").assert_outcomes(passed=1)


def imports(path: Path) -> set[str]:
    """The top-level names inside our package that a module imports, at run time."""
    found: set[str] = set()
    depth = len(path.relative_to(PACKAGE).parts) - 1
    tree = ast.parse(path.read_text())
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


@pytest.mark.parametrize("room", WALLS)
def test_rooms_import_only_what_they_may(room: str) -> None:
    """A room knows its own modules, the shared records, and the rooms named in WALLS."""
    for path in (PACKAGE / room).rglob("*.py"):
        assert imports(path) <= WALLS[room] | SHARED, path


def test_no_module_of_a_room_knows_pytest() -> None:
    """Only the connectors, the report, and the engine that runs a test again do."""
    for room in set(WALLS) - {"report"}:
        for path in set((PACKAGE / room).rglob("*.py")) - {PACKAGE / "explore" / "rerun.py"}:
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                assert not {"pytest", "_pytest"} & {name.partition(".")[0] for name in names}, path


def test_files_stay_small_and_say_what_they_are_for() -> None:
    """About 300 lines; a module docstring."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 330, path
        assert ast.get_docstring(ast.parse(text)), path


def test_signatures_are_asked_for_in_one_place() -> None:
    """`inspect.signature()` evaluates annotations, from Python 3.14 on those of a type checker."""
    asking = {"signature", "getfullargspec", "get_annotations", "get_type_hints"}
    for path in PACKAGE.rglob("*.py"):
        called = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not called & asking or path.name == "signatures.py", path
