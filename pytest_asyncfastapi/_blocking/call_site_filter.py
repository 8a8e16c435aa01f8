"""Which call sites stay enabled: those whose next call may block.

Nearly all sites cannot, and their events are what the guard costs. The decision is made by the
current callee; bytecode is read only in the user's functions that call what a variable holds.
"""

from __future__ import annotations

import functools
import io
import opcode
import operator
import os
import threading
from collections import deque
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any

from .._core.frames import identity
from .call_arguments import LOCK_TYPES
from .catalog import NAMED, Catalog, Entry, NamedFunction, find_named
from .operands import enters_with_block
from .stack_analysis import is_ignored_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    _Place = tuple[int | None, int | None, int | None, int | None]  # line, its end, column, its end

# What an instruction is to a call that comes after it. Any but these, in any version of Python,
# makes a value that has no fixed name; the last two load nothing.
_VALUE, _CALL, _NAME, _GLOBAL, _SUPER, _BETWEEN, _EXTENDED = range(7)
_KIND_OF = {
    **dict.fromkeys(("CALL", "CALL_KW", "CALL_FUNCTION_EX"), _CALL),
    "EXTENDED_ARG": _EXTENDED,
    "LOAD_NAME": _NAME, "LOAD_GLOBAL": _GLOBAL, "LOAD_ATTR": _GLOBAL, "LOAD_SUPER_ATTR": _SUPER,
    # Between the load of a callee and its call, at the same place of the source.
    **dict.fromkeys(
        ("CACHE", "PUSH_NULL", "PRECALL", "KW_NAMES", "LOAD_CONST", "LOAD_COMMON_CONSTANT",
         "COPY", "IS_OP", "POP_JUMP_IF_FALSE", "NOT_TAKEN", "POP_TOP",
         "BUILD_LIST", "BUILD_TUPLE", "BUILD_MAP", "LIST_APPEND", "LIST_EXTEND", "DICT_MERGE",
         "CALL_INTRINSIC_1"),
        _BETWEEN,
    ),
}  # fmt: skip
_KINDS = bytes(_KIND_OF.get(name, _VALUE) for name in opcode.opname[:256])  # by opcode
# How far the argument of a load of a name is shifted: its lowest bits are flags.
_SHIFTS = {_GLOBAL: 1, _SUPER: 2}
NAMED_FUNCTION_NAMES = frozenset(name.rpartition(".")[2] for name in NAMED)
_NAMED_METHODS = frozenset(name.rpartition(".")[2] for name in NAMED if "." in name)
# Generators, coroutines and async generators: to call one runs nothing.
_GENERATOR_FLAGS = 0x20 | 0x80 | 0x200
_FUNCTION_TYPES = frozenset(
    {FunctionType, BuiltinFunctionType, MethodDescriptorType, ClassMethodDescriptorType,
     WrapperDescriptorType, MethodWrapperType}
)  # fmt: skip
_CONTAINERS = frozenset(
    {dict, list, str, bytes, bytearray, tuple, set, frozenset, int, float, deque}
)
_POLYMORPHIC_METHODS = frozenset(
    {"execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall", "commit",
     "rollback", "recv", "recv_into", "sendall", "connect", "sleep"}
)  # fmt: skip
# A Python object that reads or writes makes calls of its own.
_POLYMORPHIC_C_METHODS = _POLYMORPHIC_METHODS | {
    "read", "readline", "readlines", "readinto", "write", "writelines"
}  # fmt: skip
WRAPPER_TYPES = frozenset(
    {functools.partial, operator.methodcaller, WrapperDescriptorType, MethodWrapperType}
)
# In-memory streams, of a template that is compiled, say, with thousands of writes.
_IN_MEMORY = frozenset({io.StringIO, io.BytesIO})
_MAX_IN_MEMORY = 500  # of one site of a library
_MAX_FUNCTIONS = 20_000


class Functions:
    """What it means to call a Python function: its name, if it counts, and if it runs at once.

    To ask for the code of a function is an audit event, which costs more than all else here. A
    function that another one has made is kept for one test only, as it may hold anything.
    """

    def __init__(self) -> None:
        self._lasting: dict[FunctionType, tuple[NamedFunction | None, bool]] = {}
        self._of_test: dict[FunctionType, tuple[NamedFunction | None, bool]] = {}

    def find(self, function: FunctionType) -> tuple[NamedFunction | None, bool]:
        """Its entry by name, and whether a call only creates a coroutine or generator."""
        known = self._lasting.get(function) or self._of_test.get(function)
        if known is None:
            code, named = function.__code__, None
            if function.__name__ in NAMED_FUNCTION_NAMES:
                module = str(function.__globals__.get("__name__"))
                named = find_named(code.co_qualname, module)
            known = (named, bool(code.co_flags & _GENERATOR_FLAGS))
            lasts = "<locals>" not in code.co_qualname and len(self._lasting) < _MAX_FUNCTIONS
            (self._lasting if lasts else self._of_test)[function] = known
        return known

    def forget(self) -> None:
        """Called between tests."""
        self._of_test.clear()

    def clear(self) -> None:
        """Called as monitoring stops: through a function its whole module is kept."""
        self._lasting.clear()
        self._of_test.clear()

    def __repr__(self) -> str:
        return f"<Functions: {len(self._lasting)}>"


class CallSiteFilter:
    """Decides whether a site stays enabled after a call that is not in the catalog."""

    def __init__(
        self,
        catalog: Catalog,
        exclude_overhead: Callable[[], AbstractContextManager[None]],
        always_restart: set[int],
    ) -> None:
        self.functions = Functions()
        self.always_restart = always_restart  # the user's functions that call what a variable holds
        self._catalog = catalog
        self._exclude_overhead = exclude_overhead
        # By id, as a code object's own hash reads all of its bytes; the code is kept with it.
        self._known: dict[int, tuple[CodeType, dict[int, str]]] = {}
        self._called_sites: set[tuple[int, int]] = set()  # sites that were called already
        self._method_sites: set[tuple[int, int]] = set()  # sites that always stay enabled
        self._in_memory: dict[tuple[int, int], int] = {}  # by site: calls of a stream in memory
        self._all_methods: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    def clear(self) -> None:
        """Forget what is known of functions."""
        self._known.clear()
        self._called_sites.clear()
        self._method_sites.clear()
        self._in_memory.clear()

    def judge_user_site(  # noqa: PLR0911 - a list of cases
        self, code: CodeType, offset: int, callee: Any, kind: type
    ) -> str:
        """May this call of the user's code have a callee of the catalog the next time?

        Returns:
            `"never"`; `"seldom"`, where the callee is a method by the name of one of the catalog,
            or stands in for something; `"often"`, where it is whatever a variable holds.
        """
        site = (identity(code), offset)
        if site in self._method_sites:
            return "seldom"
        if kind is MethodDescriptorType:
            if callee.__objclass__ in _CONTAINERS:
                return "never"
        elif kind not in _FUNCTION_TYPES and not isinstance(callee, type):
            answer = self._judge_variable(code, vars(kind).get("__call__"))  # a mock, mostly
            return "seldom" if answer == "never" else answer
        elif (
            self._makes_coroutine(callee, kind) or callee.__name__ == "__exit__"
        ):  # none is in the catalog
            return "never"
        known = self._known.get(identity(code))
        if known is None:
            if site not in self._called_sites:
                self._called_sites.add(
                    site
                )  # most are not called again: their code need not be read
                return "often"
            known = self._read(code)
        name = getattr(callee, "__name__", "")
        written = known[1].get(offset, name)
        if written and name in self._methods() and not isinstance(callee, type):
            # The method of another object next time; a function of a module stays what it is.
            if kind is not FunctionType or _is_method(callee):
                self._method_sites.add(site)
            return "seldom"
        # A variable, or a C function under another name than its own: an alias, mostly.
        module = getattr(callee, "__module__", "")  # a method of an object has none
        if not written or (written != name and module == "builtins"):
            return self._judge_variable(code, callee)
        blocks = name in self._catalog.names or name in NAMED_FUNCTION_NAMES
        return "never" if name in code.co_names and not blocks else "seldom"

    def _judge_variable(self, code: CodeType, callee: Any) -> str:
        """A variable may hold anything the next time, unless it creates a coroutine now."""
        kind = type(callee)
        if self._makes_coroutine(callee, kind):
            return "never"
        if kind is FunctionType and _is_defined_around(callee, code):
            return "seldom"
        self.always_restart.add(identity(code))
        return "often"

    def _read(self, code: CodeType) -> tuple[CodeType, dict[int, str]]:
        if len(self._known) >= _MAX_FUNCTIONS:
            self.clear()
        with self._exclude_overhead():
            known = self._known[identity(code)] = (code, callee_names(code))
        return known

    def keep_library_site(self, code: CodeType, offset: int, callee: Any, kind: type) -> bool:
        """The same for a library: only methods whose object may be of another type next time.

        Of a site that has written to or read from nothing but memory so often, it is not expected.
        """
        names = _POLYMORPHIC_METHODS if kind is FunctionType else _POLYMORPHIC_C_METHODS
        if (
            kind not in _FUNCTION_TYPES
            or callee.__name__ not in names
            or is_ignored_file(code.co_filename)
        ):
            return False
        if kind is MethodDescriptorType and callee.__objclass__ in _IN_MEMORY:
            site = (identity(code), offset)
            self._in_memory[site] = times = self._in_memory.get(site, 0) + 1
            return times < _MAX_IN_MEMORY
        return not self._makes_coroutine(callee, kind)

    def _makes_coroutine(self, callee: Any, kind: type) -> bool:
        """Does this function only create a coroutine or generator?"""
        return kind is FunctionType and self.functions.find(callee)[1]

    def _methods(self) -> frozenset[str]:
        """The names of all methods of the catalog, without their classes."""
        methods = self._catalog.methods
        if self._all_methods[0] is not methods:
            self._all_methods = (methods, methods | _NAMED_METHODS)
        return self._all_methods[1]

    def unwrap(self, callee: Any, kind: type, arg0: Any) -> tuple[Entry | None, Any]:
        """What a partial or similar wrapper calls, and its first argument."""
        real: Any = None
        if kind is functools.partial:
            real, arg0 = callee.func, callee.args[0] if callee.args else arg0
        elif kind is not operator.methodcaller:
            real = getattr(callee, "__self__", arg0) if callee.__name__ == "__call__" else None
        elif type(arg0) is ModuleType:
            real = vars(arg0).get(callee.__reduce__()[1][0])
        return self._catalog.find(real), arg0

    def __repr__(self) -> str:
        return f"<CallSiteFilter: {len(self._known)} functions>"


_ENTER_METHODS = frozenset(lock.__enter__ for lock in LOCK_TYPES)
_THREADING = threading.Condition.wait.__code__.co_filename
# These take a lock that is released soon; `Condition.wait` itself is what waits.
_SHORT_LOCKS = frozenset({"__enter__", "_is_owned", "_acquire_restore"})
_COOKIES = os.path.join("http", "cookiejar.py")


def _is_method(function: Any) -> bool:
    """Is this function, by its name, one of a class?"""
    owner = function.__qualname__.rpartition(".")[0]
    return bool(owner) and not owner.endswith("<locals>")


def _is_defined_around(function: Any, code: CodeType) -> bool:
    """Is this function defined inside the one with this code, or beside it in the same one?"""
    outer, _, _ = function.__qualname__.rpartition(".")
    return outer.endswith("<locals>") and f"{code.co_qualname}.<locals>".startswith(outer)


def is_short_lock(entry: Entry, code: CodeType, callee: Any, offset: int) -> bool:
    """Is it a lock that is never held for long, or `with` of a lock in a library?

    `Condition.__enter__` is most of the calls of code that gives work to another thread. What
    waits for the work itself is `Condition.wait`; a `with` of the user's is reported. A `with` of
    a library is a call from Python 3.14 on; if it takes long, the step timer reports it.
    """
    if entry.category != "lock":
        return False
    if callee in _ENTER_METHODS and enters_with_block(code, offset):
        return True
    if code.co_name in _SHORT_LOCKS:
        return code.co_filename == _THREADING
    # httpx and requests take the lock of their cookies with each response.
    return code.co_filename.endswith(_COOKIES)


def callee_names(code: CodeType) -> dict[int, str]:
    """The offset of each call, and the name of what it calls; "" where that is not a fixed name.

    A global or an attribute has one; a variable, an item or the result of another call has not.
    The callee is loaded by the last instruction before the call that begins at the same place
    of the source.
    """
    raw, places = code.co_code, [*code.co_positions()]
    kinds = raw[::2].translate(_KINDS)
    found: dict[int, str] = {}
    call = kinds.find(_CALL)
    while call >= 0:
        load = _load_of_callee(kinds, places, call)
        found[2 * call] = "" if load is None else _name(code, raw, kinds, load)
        call = kinds.find(_CALL, call + 1)
    return found


def _load_of_callee(kinds: bytes, places: list[_Place], call: int) -> int | None:
    """The number of the instruction that loads the callee, where that is a name."""
    line, _, column, _ = places[call]
    for number in range(call - 1, -1, -1):
        if kinds[number] < _BETWEEN:
            place = places[number]
            if place[0] == line and place[2] == column:
                return number if kinds[number] not in (_VALUE, _CALL) else None
    return None


def _name(code: CodeType, raw: bytes, kinds: bytes, load: int) -> str:
    arg, shift, before = raw[2 * load + 1], 8, load - 1
    while before >= 0 and kinds[before] == _EXTENDED:
        arg |= raw[2 * before + 1] << shift
        before, shift = before - 1, shift + 8
    arg >>= _SHIFTS.get(kinds[load], 0)
    return code.co_names[arg] if arg < len(code.co_names) else ""
