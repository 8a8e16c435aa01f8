"""What an expression of the bytecode stands for, found without running the user's code.

`with lock:` and `for line in file:` make no call that a call event reports: C calls C. But
mostly the lock or the file has a name, and a name can be looked up before the line runs.
From Python 3.14 on a `with` is an ordinary call. Knows bytecode, of which each version has its
own; knows nothing of what blocks.
"""

from __future__ import annotations

import dis
import inspect
import opcode
from dataclasses import dataclass
from types import GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    _Begin = tuple[Literal["with", "for"], "Operand", int]

MISSING = object()
_LOCALS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "STORE_FAST_LOAD_FAST")
_ENTRIES: dict[str, Literal["with", "for"]] = {"BEFORE_WITH": "with", "GET_ITER": "for"}
_ENTRY_CODES: dict[int, Literal["with", "for"]] = {
    opcode.opmap[name]: what for name, what in _ENTRIES.items() if name in dis.opmap
}
_CACHE, _EXTENDED = 0, opcode.opmap["EXTENDED_ARG"]
_MAX_CHAIN = 6
# In Python 3.15 a comprehension makes its result between the load of what it goes through and
# the instruction that begins to.
_COMPREHENSION = ("SWAP", "BUILD_LIST", "BUILD_SET", "BUILD_MAP", "LOAD_FAST_AND_CLEAR")
# From Python 3.14 on `a[b]` is one of the binary operators.
_OPERATORS: Any = getattr(opcode, "_nb_ops", ())
_SUBSCRIPT = next((n for n, (name, _) in enumerate(_OPERATORS) if name == "NB_SUBSCR"), -1)
_COMMON: tuple[Any, ...] = tuple(getattr(opcode, "_common_constants", ()))


@dataclass(frozen=True, slots=True)
class Operand:
    """A name, and the attributes and items that are taken from it; or a constant."""

    root: str
    is_local: bool
    path: tuple[tuple[Literal["attribute", "item"], Any], ...] = ()
    constant: Any = MISSING

    def value(self, frame: FrameType) -> Any:
        """What it is right now in `frame`, or MISSING where only running code could tell."""
        if self.constant is not MISSING:
            return self.constant
        if self.is_local:
            found = frame.f_locals.get(self.root, MISSING)
        else:
            found = frame.f_globals.get(self.root, frame.f_builtins.get(self.root, MISSING))
        for kind, name in self.path:
            if found is MISSING:
                break
            found = _attribute(found, name) if kind == "attribute" else _item(found, name)
        return found


@dataclass(frozen=True, slots=True)
class BlockLines:
    """The lines of a function at which a `with` or a `for` begins: what, on what, and where.

    The last of the three is the offset of the instruction that enters the block: the line of
    a `with` runs again when its block is left, beyond that offset. `after` are the lines at
    which such a `with` has been entered.
    """

    begins: dict[int, tuple[_Begin, ...]]
    after: frozenset[int]


def find_block_lines(code: CodeType) -> BlockLines | None:
    """The `with` and `for` lines of a function whose operand has a name; None if there is none."""
    raw = code.co_code
    found: list[tuple[int, Literal["with", "for"], Operand]] = []
    for unit, what in _entries(raw[::2]):
        operand = _operand_before(code, raw, unit, _COMPREHENSION)
        if operand is not None:
            found.append((2 * unit, what, operand))
    if not found:
        return None
    begins: dict[int, tuple[_Begin, ...]] = {}
    after: set[int] = set()
    spans = list(code.co_lines())
    for offset, what, operand in found:
        at = next(i for i, (start, end, _) in enumerate(spans) if start <= offset < end)
        line = spans[at][2]
        if line is None:
            continue
        begins[line] = (*begins.get(line, ()), (what, operand, offset))
        if what == "with":
            later = (other for _, _, other in spans[at + 1 :])
            after.add(next((other for other in later if other not in (None, line)), None) or line)
    return BlockLines(begins, frozenset(after)) if begins else None


def _entries(ops: bytes) -> Iterator[tuple[int, Literal["with", "for"]]]:
    """The places of the instructions that enter a `with` or begin a `for`, in code units."""
    for wanted, what in _ENTRY_CODES.items():
        unit = ops.find(wanted)
        while unit >= 0:
            yield unit, what
            unit = ops.find(wanted, unit + 1)


def last_argument(code: CodeType, offset: int, keyword: str = "") -> Operand | None:
    """The last argument of the call at this offset, given by that keyword if there is one."""
    raw, names = code.co_code, ()
    unit = offset // 2
    called = opcode.opname[raw[2 * unit]]
    step = _previous_instruction(raw, unit)
    while step is not None and step[1] in ("KW_NAMES", "PRECALL"):
        unit = step[0]
        names = code.co_consts[step[2]] if step[1] == "KW_NAMES" else names
        step = _previous_instruction(raw, unit)
    if called == "CALL_KW" and step is not None:
        unit = step[0]
        names = code.co_consts[step[2]]
    if keyword and not (names and names[-1] == keyword):
        return None
    return _operand_before(code, raw, unit)


def enters_with_block(code: CodeType, offset: int) -> bool:
    """Does the instruction at this offset enter a `with` block?"""
    raw, unit = code.co_code, offset // 2
    if not 0 <= offset < len(raw):
        return False
    name = opcode.opname[raw[2 * unit]]
    if name == "CALL" and (step := _previous_instruction(raw, unit)) is not None:
        name = step[1]
    return name in ("BEFORE_WITH", "LOAD_SPECIAL")


def only_loads(code: CodeType, offset: int) -> bool:
    """Does the instruction at this offset load a name or an attribute, and nothing else?"""
    raw = code.co_code
    return 0 <= offset < len(raw) and opcode.opname[raw[offset]].startswith("LOAD_")


def _previous_instruction(raw: bytes, unit: int) -> tuple[int, str, int] | None:
    """The instruction that ends before a code unit: its own first unit, name and argument."""
    unit -= 1
    while unit >= 0 and raw[2 * unit] == _CACHE:
        unit -= 1
    if unit < 0:
        return None
    name, arg, shift = opcode.opname[raw[2 * unit]], raw[2 * unit + 1], 8
    while unit > 0 and raw[2 * unit - 2] == _EXTENDED:
        unit -= 1
        arg |= raw[2 * unit + 1] << shift
        shift += 8
    return unit, name, arg


def _operand_before(
    code: CodeType, raw: bytes, unit: int, over: tuple[str, ...] = ()
) -> Operand | None:
    """The chain of loads that ends before this code unit, instructions `over` left aside."""
    path: list[tuple[Literal["attribute", "item"], Any]] = []
    step = _previous_instruction(raw, unit)
    while step is not None and step[1] in over:
        step = _previous_instruction(raw, step[0])
    while step is not None and len(path) < _MAX_CHAIN:
        unit, name, arg = step
        if name == "LOAD_ATTR":
            path.append(("attribute", code.co_names[arg >> 1 if _ATTRIBUTE_BIT else arg]))
        elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and arg == _SUBSCRIPT):
            key = _previous_instruction(raw, unit)
            constant = MISSING if key is None else _constant(code, *key[1:])
            if key is None or constant is MISSING:
                return None
            path.append(("item", constant))
            unit = key[0]
        elif name.startswith(_LOCALS):
            # Two in one instruction are four bits each; the last one is loaded last.
            local = arg & 15 if name.count("_FAST") > 1 else arg
            return Operand(_local(code, local), True, tuple(reversed(path)))
        elif not path and (constant := _constant(code, name, arg)) is not MISSING:
            return Operand("", True, constant=constant)
        elif name in ("LOAD_GLOBAL", "LOAD_NAME"):
            root = code.co_names[arg >> 1 if name == "LOAD_GLOBAL" else arg]
            return Operand(root, False, tuple(reversed(path)))
        else:
            return None
        step = _previous_instruction(raw, unit)
    return None


def _constant(code: CodeType, name: str, arg: int) -> Any:
    """What an instruction of this name loads, or MISSING where that is not a constant."""
    if name == "LOAD_CONST":
        return code.co_consts[arg]
    if name == "LOAD_SMALL_INT":
        return arg
    return _COMMON[arg] if name == "LOAD_COMMON_CONSTANT" and arg < len(_COMMON) else MISSING


# From 3.12 on the lowest bit of LOAD_ATTR's argument says whether it loads a method.
_ATTRIBUTE_BIT = "LOAD_METHOD" not in dis.opmap or dis.opmap["LOAD_METHOD"] > 255


def _local(code: CodeType, index: int) -> str:
    """The name of a local or closure variable, by its index in the frame."""
    cells = [name for name in code.co_cellvars if name not in code.co_varnames]
    return (*code.co_varnames, *cells, *code.co_freevars)[index]


def _attribute(value: Any, name: str) -> Any:
    if type(value) is ModuleType:
        return vars(value).get(name, MISSING)
    found = _own_attribute(value, name)
    if found is not MISSING:
        return found
    found = inspect.getattr_static(value, name, MISSING)
    if isinstance(found, MemberDescriptorType):  # of __slots__: C code, not the user's
        return getattr(value, name, MISSING)
    return found


# As `inspect.getattr_static()` does, which takes several times as long.
_bases_of = type.__dict__["__mro__"].__get__
_names_of = type.__dict__["__dict__"].__get__


def _own_attribute(value: Any, name: str) -> Any:
    """What only the instance has, and none of its classes; MISSING where that is unsure."""
    for base in _bases_of(type(value)):
        names = _names_of(base)
        if name in names or type(names.get("__dict__", _DICT)) is not GetSetDescriptorType:
            return MISSING
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return MISSING
    return own.get(name, MISSING) if type(own) is dict else MISSING


class _Plain:
    """Kept: the names of a class that is collected are gone, and that may be at once."""


# Where no class of a value has one of its own.
_DICT = vars(_Plain)["__dict__"]


def _item(value: Any, key: Any) -> Any:
    if type(value) is dict or (type(value) in (list, tuple) and type(key) is int):
        try:
            return value[key]
        except (KeyError, IndexError):
            return MISSING
    return MISSING
