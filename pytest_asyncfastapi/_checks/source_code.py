"""What the source around a line says: the loop that it stands in, and who handles its errors."""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PARTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_LOOPS = (ast.For, ast.AsyncFor)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BROAD = ("Exception", "BaseException")
# Whoever reads one of these looks whether the answer was a success.
_STATUS = frozenset(
    [
        "status_code",
        "status",
        "raise_for_status",
        "is_success",
        "is_error",
        "is_server_error",
        "ok",
        "reason",
    ]
)


@functools.lru_cache(maxsize=256)
def _tree(filename: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return None


def around(code: CodeType, line: int) -> list[ast.AST]:
    """The nodes around a line: its function first, then its statements, then what is on the line.

    None without source.
    """
    found: list[ast.AST] = []
    node: ast.AST | None = _tree(code.co_filename)
    last = node
    while node is not None:
        last = node
        if isinstance(node, _FUNCTIONS):
            found = []
        found.append(node)
        node = next((each for each in _parts(node) if _holds(each, line)), None)
    if not found or not isinstance(found[0], _FUNCTIONS) or last is None:
        return []
    inner = [each for each in ast.walk(last) if isinstance(each, ast.expr) and _holds(each, line)]
    return found + inner


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    return (each for each in ast.iter_child_nodes(node) if isinstance(each, _PARTS))


def _holds(node: Any, line: int) -> bool:
    if isinstance(node, ast.match_case):
        return any(_holds(each, line) for each in node.body)
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    return bool(first <= line <= (node.end_lineno or node.lineno))


def loop_around(code: CodeType, line: int) -> int | None:
    """The line of the innermost `for` (or comprehension) in whose body a line stands.

    Not of a `while`, which waits for something rather than going through it.
    """
    for node in reversed(around(code, line)):
        if isinstance(node, _LOOPS):
            if any(_holds(each, line) for each in node.body):
                return node.lineno
        elif isinstance(node, _COMPREHENSIONS):
            return node.lineno
        elif isinstance(node, ast.While):
            return None
    return None


def takes_exceptions(code: CodeType, line: int) -> bool:
    """Is there a `gather(..., return_exceptions=True)` on this line?"""
    return any(
        keyword.arg == "return_exceptions"
        for node in around(code, line)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    ) or "return_exceptions" in linecache.getline(code.co_filename, line)


def swallows(code: CodeType, line: int, kinds: Sequence[str], *, writes: bool) -> int | None:
    """The line that drops an error of these classes in this function, without a word.

    A handler that names the error has chosen to go on without it, unless all that it
    does about a call that `writes` is `pass`. None: nobody here handles it. 0: somebody does
    something about it.
    """
    for node in reversed(around(code, line)):
        if isinstance(node, ast.TryStar):
            return 0
        if isinstance(node, ast.Try) and any(_holds(each, line) for each in node.body):
            for handler in node.handlers:
                caught = _catches(handler.type, kinds)
                if caught:
                    return handler.lineno if _drops(handler.body, caught, writes=writes) else 0
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                called = item.context_expr
                if not (isinstance(called, ast.Call) and _name(called.func) == "suppress"):
                    continue
                caught = next((c for each in called.args if (c := _catches(each, kinds))), "")
                if caught == "broad" or (caught == "named" and writes):
                    return node.lineno
                if caught:
                    return 0
    return None


def _catches(type_: ast.expr | None, kinds: Sequence[str]) -> str:
    """`broad`, `named`, `unknown`, or nothing if it lets the error pass."""
    if type_ is None:
        return "broad"
    names = [_name(each) for each in type_.elts] if isinstance(type_, ast.Tuple) else [_name(type_)]
    if any(name in _BROAD for name in names):
        return "broad"
    if any(name in kinds for name in names):
        return "named"
    known = all(isinstance(getattr(builtins, name, None), type) for name in names)
    return "" if known and kinds else "unknown"


def _drops(body: list[ast.stmt], caught: str, *, writes: bool) -> bool:
    """Does a handler nothing that says that something went wrong?"""
    broad = caught == "broad"
    if all(_is_nothing(each) for each in body):
        return broad or (caught == "named" and writes)
    says = (ast.Call, ast.Raise, ast.Await, ast.Yield)
    return broad and not any(isinstance(node, says) for each in body for node in ast.walk(each))


def _is_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    return isinstance(statement, (ast.Pass, ast.Continue))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def looks_at_status(code: CodeType, line: int) -> bool:
    """May this function see that the answer got on this line was a failure?

    Also if it hands the answer to some other function. True without source.
    """
    nodes = around(code, line)
    if not nodes:
        return True
    names = _assigned(nodes)
    for node in ast.walk(nodes[0]):
        if isinstance(node, ast.Attribute) and node.attr in _STATUS:
            return True
        if isinstance(node, ast.Call) and not hasattr(builtins, getattr(node.func, "id", "")):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(each, ast.Name) and each.id in names for each in given):
                return True
    return False


def _assigned(nodes: list[ast.AST]) -> set[str]:
    """The names that get what is on the line."""
    found: set[str] = set()
    for node in nodes:
        targets: list[Any] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            targets = [node.target]
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            targets = [item.optional_vars for item in node.items if item.optional_vars]
        found |= {
            name.id for each in targets for name in ast.walk(each) if isinstance(name, ast.Name)
        }
    return found
