"""Reads a stack: whose line made the call, through what, and in which step.

A stack is read from the call outwards and ends where the event loop took the
step. The first frame that is not a transparent part of the standard library
is *responsible* for the call. This module knows frames and file names; it
knows nothing of categories' severities, guards or pytest.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core.frames import UserCode, identity, is_stdlib
from .catalog import Named, find_named
from .catalog import remedies as to
from .loop_steps import RUNS, WRAPPERS, is_border, outside
from .operands import enters_with, only_loads

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .._core.findings import Location

_PACKAGE = str(Path(__file__).parent.parent) + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_FROZEN = "<frozen "  # of the standard library: in which modules it is, differs by version

# The loop itself and what it is made of: their calls are the loop's own business.
_ASYNC = frozenset({"asyncio", "anyio", "trio", "uvloop", "sniffio", "winloop"})
# The tools that run the test.
_TOOLS = frozenset(
    {"_pytest", "pytest", "pluggy", "coverage", "pytest_cov", "xdist", "execnet",
     "pytest_asyncio", "pytest_trio", "hypothesis", "_hypothesis_pytestplugin", "pytest_timeout",
     "debugpy", "pydevd", "_pydevd_bundle"}
)  # fmt: skip
# They read sources and write log lines: noise, as far as it is about files and locks.
_QUIET = frozenset(
    {"linecache", "traceback", "warnings", "logging", "tokenize", "inspect", "pdb", "bdb",
     "tracemalloc", "faulthandler", "unittest"}
)  # fmt: skip
_LOGGERS = frozenset({"loguru", "structlog", "logbook", "eliot", "pythonjsonlogger", "picologging"})
# Frames of the import machinery that load a module. `_handle_fromlist` does not: it runs at each
# `from package import name`, whatever is imported already.
_LOADS = frozenset(
    {"_find_and_load", "_load", "_load_unlocked", "_load_backward_compatible", "_exec",
     "exec_module", "load_module"}
)  # fmt: skip
_DEFERS = hasattr(sys, "lazy_modules")  # Python 3.15 has `lazy import`
# Parts of the standard library that import what their caller asks for.
_IMPORTERS = frozenset({"importlib", "pkgutil", "runpy", "zipimport"})
# They call what the user has given them, and are nothing that a user would name.
_WRAPPERS = frozenset({"contextlib", "functools"})
# Files of this plugin that stand between the app and the client library that it calls.
_BETWEEN = tuple(os.path.join(_PACKAGE, part, "") for part in ("_upstream", "_connections"))
# What apps are made of.
_FRAMEWORKS = frozenset({"fastapi", "starlette", "pydantic", "sqlmodel", "litestar", "msgspec"})
# Globals of the Python code that Jinja and Mako make of a template: the lines of it are in no file.
_TEMPLATES = ("__jinja_template__", "_template_uri")
_CO_GENERATORS = 0x20 | 0x80 | 0x200  # generator, coroutine, async generator


@lru_cache(maxsize=8192)
def _kind(filename: str) -> tuple[str, str]:
    """What a file that is not the user's is: (kind, top-level package)."""
    if filename.startswith("<frozen importlib"):
        return "import", "importlib"
    if filename.startswith(_PACKAGE):
        return "ours", ""
    top = _top(filename)
    kind = "async" if top in _ASYNC else "tool" if top in _TOOLS else "library"
    if kind == "library" and is_stdlib(filename):
        kind = "quiet" if top in _QUIET else "stdlib"
    elif top in _LOGGERS:
        kind = "quiet"
    return kind, top


def _top(filename: str) -> str:
    if filename.startswith(_FROZEN):
        return filename[len(_FROZEN) : -1].partition(".")[0]
    for mark in ("site-packages" + os.sep, "dist-packages" + os.sep, _LIBRARY):
        _, found, rest = filename.rpartition(mark)
        if found:
            return rest.split(os.sep, 1)[0].removesuffix(".py")
    return ""


@lru_cache(maxsize=8192)
def silent_file(filename: str) -> bool:
    """Is a call made in this file never reported: the loop's own, a tool's or this plugin's?

    Not of the user's files, of which this function knows nothing.
    """
    kind, _ = _kind(filename)
    if kind == "ours":
        return not filename.startswith(WRAPPERS[1]) and not filename.endswith("detectors.py")
    return kind in ("async", "tool")


@dataclass(frozen=True, slots=True)
class Spot:
    """One frame as it was: enough to name it later, without keeping its locals alive."""

    code: CodeType
    line: int
    lasti: int
    module: str
    ident: int
    imports: str = ""  # the module that this frame of the import machinery loads
    template: bool = False  # made of a template by Jinja or Mako

    @property
    def label(self) -> str:
        """`module:function`, as allow rules are written."""
        return f"{self.module}:{self.code.co_qualname}"


def spots(frame: FrameType | None) -> list[Spot]:
    """The frames of this step, innermost first; the package's own are left out."""
    found: list[Spot] = []
    while frame is not None:
        code = frame.f_code
        if is_border(frame):
            outermost = outside(frame)
            if outermost is None:
                break
            # Of a loop that is run inside a step, its own frames but the outermost are left out.
            found, frame = [], outermost
            code = frame.f_code
        if not code.co_filename.startswith(WRAPPERS):
            names = frame.f_globals
            module = names.get("__name__") or ""
            template = _TEMPLATES[0] in names or _TEMPLATES[1] in names
            imports = ""
            if code.co_name == "_find_and_load" and code.co_filename.startswith("<frozen"):
                imports = str(frame.f_locals.get("name", ""))
            line = frame.f_lineno or 0
            found.append(
                Spot(code, line, frame.f_lasti, str(module), identity(frame), imports, template)
            )
        frame = frame.f_back
    return found


def spots_of_callback(callback: Any) -> list[Spot]:
    """Where a task stands between its steps, innermost first: a stack for want of a better one.

    Of a task that has ended only the function is left; then it is its first line.
    """
    found: list[Spot] = []
    get_coro = getattr(getattr(callback, "__self__", None), "get_coro", None)
    coroutine: Any = get_coro() if get_coro is not None else None
    while (code := getattr(coroutine, "cr_code", None)) is not None:
        frame = coroutine.cr_frame
        line = code.co_firstlineno if frame is None else frame.f_lineno
        module = "" if frame is None else str(frame.f_globals.get("__name__"))
        found.append(Spot(code, line, -1, module, 0))
        coroutine = coroutine.cr_await
    code = getattr(callback, "__code__", None)
    if not found and code is not None:
        found.append(Spot(code, code.co_firstlineno, -1, callback.__module__, 0))
    return found[::-1]


@dataclass(frozen=True, slots=True)
class Scene:
    """A stack as a finding needs it, for one project's idea of user code.

    `below` is the outermost frame under the user's line: the name that the
    user wrote. `blame` is the kind of the responsible frame ("user",
    "library", "async", "tool", or "" when only the standard library is there).
    """

    where: Location | None
    chain: tuple[Location, ...]
    below: Spot | None
    user: Spot | None
    blame: str
    quiet: bool
    importing: bool  # a module is loaded between the user's line and the call
    imported: bool  # an import stands further out: the user's line runs because of it
    labels: tuple[str, ...]
    named: Named | None = None  # the outermost name of the catalog below the user's line
    imports: str = ""  # the module that the user's line imports, if it does
    lazily: bool = False  # a library below that line imports it, at its first use
    through: bool = False  # somebody's code stands between the user's line and the call
    deferred: bool = False  # the user's line imports by using a name of a `lazy import`

    @property
    def import_remedy(self) -> str:
        """What to do about the import that was made here."""
        if self.deferred:
            return to.IMPORT_LAZY
        return to.IMPORT_BEFORE if self.lazily else to.IMPORT

    @property
    def builds(self) -> bool:
        """Does the user's line call a framework: build an app, routes or models, as in a test?"""
        if self.below is None or self.below.module == "starlette.testclient":
            return False
        return _kind(self.below.code.co_filename)[1] in _FRAMEWORKS

    @property
    def wrote(self) -> str:
        """The name that the user wrote, when it is not the C function itself."""
        below = self.below
        if below is None or below.code.co_name.startswith("<"):
            return ""
        named = find_named(below.code.co_qualname, below.module)
        if named is not None:
            return named.entry.name.removesuffix(".__init__")
        kind, top = _kind(below.code.co_filename)
        module = below.module if kind == "stdlib" else top
        return f"{module}.{below.code.co_qualname}".removesuffix(".__init__")


def read_scene(stack: list[Spot], user: UserCode, activity: str) -> Scene:
    """Find the user's line in a stack (innermost first) and who is responsible.

    In a request the stack is cut at the client that drives the app: the
    test's own line above it is not where the app blocks.
    """
    below: Spot | None = None
    mine: list[Spot] = []
    labels: list[str] = []
    blame, quiet, importing, imported = "", False, False, False
    library: Spot | None = None
    named: Named | None = None
    imports, lazily, through = "", False, False
    for spot in stack:
        filename = spot.code.co_filename
        mine_too = not spot.template and user.owns(filename)
        kind, top = ("user", "") if mine_too else _kind(filename)
        if kind == "async" and spot.label in RUNS:
            kind = "stdlib"  # a loop that is run inside another one's step
        if kind == "ours":
            if not mine and (importing or not blame):
                blame = "tool"  # what we do and import by ourselves is not the user's fault
            if activity and not filename.startswith(_BETWEEN):
                break  # the client that drives the app
            continue
        labels.append(spot.label)
        if kind == "user":
            mine.append(spot)
            blame = blame or kind
        elif mine:
            imported = imported or _loads(spot)
        else:
            below = below if top in _WRAPPERS else spot
            named = find_named(spot.code.co_qualname, spot.module) or named
            importing = importing or _loads(spot)
            if spot.imports:
                imports, lazily, through = spot.imports, False, False
            elif kind != "import" and top not in _IMPORTERS:
                through = True
                lazily = importing
            if not blame:
                quiet = quiet or kind == "quiet"
                blame = kind if kind in ("async", "tool", "library") else ""
            if kind == "library" and library is None:
                library = spot
    chain = tuple(user.location(spot.code, spot.line) for spot in reversed(mine))
    at = mine[0] if mine else library
    where = user.location(at.code, at.line) if at is not None else None
    deferred = (
        bool(_DEFERS and imports and mine)
        and not through
        and only_loads(mine[0].code, mine[0].lasti)
    )
    # Without a line of the user's, nobody wrote the name of the frame below it.
    return Scene(
        where, chain, below if mine else None, mine[0] if mine else None, blame, quiet, importing,
        imported, tuple(labels), named if mine else None, imports, lazily and bool(imports),
        through, deferred,
    )  # fmt: skip


def _loads(spot: Spot) -> bool:
    code = spot.code
    return code.co_name in _LOADS and _kind(code.co_filename)[0] == "import"


def import_statement(stack: list[Spot]) -> list[Spot]:
    """The part of a stack from its outermost import outwards: whose line imports all of it."""
    for at in range(len(stack) - 1, -1, -1):
        if _loads(stack[at]):
            return stack[at:]
    return stack


def at_with_statement(spot: Spot) -> bool:
    """Does this frame stand at the entry of a `with` block (a lock, mostly)?"""
    return enters_with(spot.code, spot.lasti)
