"""What a stack says: whose line made the call, through what, and who is responsible.

The first frame that is not a transparent part of the standard library
is *responsible* for the call. This module knows frames and file names; it
knows nothing of categories' severities, guards or pytest.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .._core.frames import UserCode, identity, is_stdlib
from .catalog import NamedFunction, find_named
from .catalog import remedies as to
from .loop_steps import LOOP_RUNNERS, PACKAGE, PLUGIN_LAYERS, WRAPPERS
from .operands import enters_with_block, only_loads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.findings import Location
    from .call_stack import CallStack, FrameInfo

_LIBRARY = os.path.dirname(os.__file__) + os.sep
_FROZEN = "<frozen "  # of the standard library: in which modules it is, differs by version

# The loop itself and what it is made of: their calls are the loop's own business.
_ASYNC = frozenset({"asyncio", "anyio", "trio", "uvloop", "sniffio", "winloop"})
# The tools that run the test, and those that a test uses on itself.
_TOOLS = frozenset(
    {"_pytest", "pytest", "pluggy", "coverage", "pytest_cov", "xdist", "execnet",
     "pytest_asyncio", "pytest_trio", "hypothesis", "_hypothesis_pytestplugin", "pytest_timeout",
     "debugpy", "pydevd", "_pydevd_bundle", "freezegun", "time_machine"}
)  # fmt: skip
# They read sources and write log lines: noise, as far as it is about these categories.
_NOISY = frozenset(
    {"linecache", "traceback", "warnings", "logging", "tokenize", "inspect", "pdb", "bdb",
     "tracemalloc", "faulthandler", "unittest"}
)  # fmt: skip
NOISY_CATEGORIES = frozenset({"file", "file_metadata", "lock", "import"})
# What they do is never reported: the loop's and the tools' own work, and this plugin's.
NEVER_RESPONSIBLE = ("async", "tool")
_LOGGERS = frozenset({"loguru", "structlog", "logbook", "eliot", "pythonjsonlogger", "picologging"})
# Frames of the import machinery that load a module. `_handle_fromlist` does not: it runs at each
# `from package import name`, whatever is imported already.
_LOADING_FUNCTIONS = frozenset(
    {"_find_and_load", "_load", "_load_unlocked", "_load_backward_compatible", "_exec",
     "exec_module", "load_module"}
)  # fmt: skip
_HAS_LAZY_IMPORT = hasattr(sys, "lazy_modules")  # Python 3.15 has `lazy import`
# Parts of the standard library that import what their caller asks for.
_IMPORTERS = frozenset({"importlib", "pkgutil", "runpy", "zipimport"})
# They call what the user has passed them; their own names say nothing.
_WRAPPERS = frozenset({"contextlib", "functools"})
# What apps are made of.
_FRAMEWORKS = frozenset({"fastapi", "starlette", "pydantic", "sqlmodel", "litestar", "msgspec"})
_CO_GENERATORS = 0x20 | 0x80 | 0x200  # generator, coroutine, async generator


@lru_cache(maxsize=8192)
def _kind(filename: str) -> tuple[str, str]:
    """What a file that is not the user's is: (kind, top-level package)."""
    if filename.startswith("<frozen importlib"):
        return "import", "importlib"
    if filename.startswith(PACKAGE):
        return "ours", ""
    top = _top(filename)
    kind = "async" if top in _ASYNC else "tool" if top in _TOOLS else "library"
    if kind == "library" and is_stdlib(filename):
        kind = "quiet" if top in _NOISY else "stdlib"
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
def is_ignored_file(filename: str) -> bool:
    """Is a call made in this file never reported: the loop's own, a tool's or this plugin's?

    Not of the user's files, of which this function knows nothing.
    """
    kind, _ = _kind(filename)
    if kind == "ours":
        return not filename.startswith(WRAPPERS[1]) and not filename.endswith("detectors.py")
    return kind in NEVER_RESPONSIBLE


@lru_cache(maxsize=8192)
def is_never_reported(filename: str, category: str) -> bool:
    """Is a call of this category never reported that is made in this file?"""
    noise = category in NOISY_CATEGORIES and _kind(filename)[0] == "quiet"
    return noise or is_ignored_file(filename)


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where a call was made, as a finding needs it.

    `callee_frame` is the outermost frame below the user's line: the name that the
    user wrote. `responsible` is the kind of the responsible frame ("user",
    "library", "async", "tool", or "" when only the standard library is there).
    """

    where: Location | None
    chain: tuple[Location, ...]
    callee_frame: FrameInfo | None
    user_frame: FrameInfo | None
    library_frame: FrameInfo | None  # the innermost one of a library below the user's line
    user_depth: int  # which frame of the stack that is
    responsible: str
    is_noise: bool
    importing: bool  # a module is loaded between the user's line and the call
    inside_import: bool  # the user's line runs because of an import further out
    labels: tuple[str, ...]
    named: NamedFunction | None = None  # the outermost name of the catalog below the user's line
    imported_module: str = ""  # the module that the user's line imports, if it does
    imported_by_library: bool = False  # a library below that line imports it at its first use
    indirect: bool = False  # other code is between the user's line and the call
    is_lazy_import: bool = False  # the user's line imports by using a name of a `lazy import`

    @property
    def import_remedy(self) -> str:
        """What to do about the import that was made here."""
        if self.is_lazy_import:
            return to.IMPORT_LAZY
        return to.IMPORT_BEFORE if self.imported_by_library else to.IMPORT

    @property
    def calls_framework(self) -> bool:
        """Does the user's line call a framework: build an app, routes or models, as in a test?"""
        if self.callee_frame is None or self.callee_frame.module == "starlette.testclient":
            return False
        return _kind(self.callee_frame.code.co_filename)[1] in _FRAMEWORKS

    @property
    def written_name(self) -> str:
        """The name that the user wrote, when it is not the C function itself."""
        callee_frame = self.callee_frame
        if callee_frame is None or callee_frame.code.co_name.startswith("<"):
            return ""
        named = find_named(callee_frame.code.co_qualname, callee_frame.module)
        if named is not None:
            return named.entry.name.removesuffix(".__init__")
        kind, top = _kind(callee_frame.code.co_filename)
        qualname = callee_frame.code.co_qualname.removesuffix(".__init__")
        return f"{top}.{qualname}" if kind != "stdlib" else _public(callee_frame.module, qualname)


@lru_cache(maxsize=1024)
def _public(module: str, qualname: str) -> str:
    """How the user reaches what the standard library defines in a private module.

    `pathlib.Path.read_text`, `tomllib.load`, not `pathlib._local.Path.read_text`.
    """
    parts = [part for part in module.split(".") if not part.startswith("_")]
    if parts == ["pathlib"]:
        qualname = qualname.replace("PathBase.", "Path.")  # its base class in 3.13
    return ".".join([*(parts or [module]), qualname])


def analyze_call(stack: CallStack, user: UserCode, activity: str) -> CallSite:
    """`analyze_stack()` for the stack of a call; done once for all that came the same way."""
    of = (user, bool(activity))
    call_site: CallSite | None = stack.known.call_sites.get(of)
    if call_site is None:
        call_site = analyze_stack(stack.known.frames, user, activity)
        stack.known.call_sites[of] = call_site
    return call_site


def analyze_stack(stack: Sequence[FrameInfo], user: UserCode, activity: str) -> CallSite:
    """Find the user's line in a stack (innermost first) and who is responsible.

    In a request the stack is cut at the client that drives the app: the
    test's own line above it is not where the app blocks.
    """
    callee_frame: FrameInfo | None = None
    user_frames: list[FrameInfo] = []
    user_depth = 0
    labels: list[str] = []
    responsible, is_noise, importing, inside_import = "", False, False, False
    library: FrameInfo | None = None
    named: NamedFunction | None = None
    imported_module, imported_by_library, indirect = "", False, False
    for depth, info in enumerate(stack):
        filename = info.code.co_filename
        is_user = not info.is_template and user.owns(filename)
        kind, top = ("user", "") if is_user else _kind(filename)
        if kind == "async" and info.label in LOOP_RUNNERS:
            kind = "stdlib"  # a loop that is run inside another one's step
        if kind == "ours":
            if not user_frames and (importing or not responsible):
                responsible = "tool"  # what the plugin itself does and imports
            if activity and not filename.startswith(PLUGIN_LAYERS):
                break  # the client that drives the app
            continue
        labels.append(info.label)
        if kind == "user":
            user_depth = depth if not user_frames else user_depth
            user_frames.append(info)
            responsible = responsible or kind
        elif user_frames:
            inside_import = inside_import or _loads_module(info)
        else:
            callee_frame = callee_frame if top in _WRAPPERS else info
            named = find_named(info.code.co_qualname, info.module) or named
            importing = importing or _loads_module(info)
            if info.imported_module:
                imported_module, imported_by_library, indirect = info.imported_module, False, False
            elif kind != "import" and top not in _IMPORTERS:
                indirect = True
                imported_by_library = importing
            if not responsible:
                is_noise = is_noise or kind == "quiet"
                responsible = kind if kind in ("async", "tool", "library") else ""
            if kind == "library" and library is None:
                library = info
    chain = tuple(user.location(info.code, info.line) for info in reversed(user_frames))
    at = user_frames[0] if user_frames else library
    where = user.location(at.code, at.line) if at is not None else None
    is_lazy_import = (
        bool(_HAS_LAZY_IMPORT and imported_module and user_frames)
        and not indirect
        and only_loads(user_frames[0].code, user_frames[0].lasti)
    )
    # Without a line of the user's there is no name that the user wrote.
    return CallSite(
        where,
        chain,
        callee_frame=callee_frame if user_frames else None,
        user_frame=user_frames[0] if user_frames else None,
        library_frame=library,
        user_depth=user_depth,
        responsible=responsible,
        is_noise=is_noise,
        importing=importing,
        inside_import=inside_import,
        labels=tuple(labels),
        named=named if user_frames else None,
        imported_module=imported_module,
        imported_by_library=imported_by_library and bool(imported_module),
        indirect=indirect,
        is_lazy_import=is_lazy_import,
    )


def _loads_module(info: FrameInfo) -> bool:
    code = info.code
    return code.co_name in _LOADING_FUNCTIONS and _kind(code.co_filename)[0] == "import"


def import_statement(stack: list[FrameInfo]) -> list[FrameInfo]:
    """The part of a stack from its outermost import outwards: whose line imports all of it."""
    for at in range(len(stack) - 1, -1, -1):
        if _loads_module(stack[at]):
            return stack[at:]
    return stack


def common_stack(stacks: list[list[FrameInfo]]) -> list[FrameInfo]:
    """The innermost frame that more than half of the stacks have in common, and its callers."""
    depth, group = 0, stacks
    while group:
        codes = [identity(stack[-depth - 1].code) if depth < len(stack) else 0 for stack in group]
        code, count = Counter(codes).most_common(1)[0]
        if not code or count <= len(stacks) / 2:
            break
        group = [stack for stack, found in zip(group, codes, strict=True) if found == code]
        depth += 1
    if not depth:
        return []
    instructions = [stack[-depth].lasti for stack in group]
    usual = instructions.index(Counter(instructions).most_common(1)[0][0])
    return group[usual][-depth:]


def at_with_statement(info: FrameInfo) -> bool:
    """Is this frame at the entry of a `with` block (of a lock, mostly)?"""
    return enters_with_block(info.code, info.lasti)
