"""What an expression of the bytecode stands for, found without running any code of the user's.

`with lock:` and `for line in file:` make no call that anybody could hear: C calls C. But
mostly the lock or the file has a name, and a name can be looked up before the line runs.
Knows bytecode; knows nothing of what blocks.
"""

from __future__ import annotations

import dis
import inspect
from dataclasses import dataclass
from types import MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from types import CodeType, FrameType

MISSING = object()
_LOCALS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "STORE_FAST_LOAD_FAST")
_ENTRIES: dict[str, Literal["with", "for"]] = {"BEFORE_WITH": "with", "GET_ITER": "for"}
_ENTRY_CODES = frozenset(dis.opmap[name] for name in _ENTRIES if name in dis.opmap)
_LONGEST_CHAIN = 6


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
class Lines:
    """The lines of a function at which a `with` or a `for` begins: what, and on what.

    `after` are the lines at which such a `with` has been entered.
    """

    begins: dict[int, tuple[tuple[Literal["with", "for"], Operand], ...]]
    after: frozenset[int]


def may_have_lines(code: CodeType) -> bool:
    """Is it worth while to look closer? A quick no for most functions."""
    return not _ENTRY_CODES.isdisjoint(code.co_code[::2])


def lines_of(code: CodeType) -> Lines | None:
    """The `with` and `for` lines of a function whose operand has a name; None if there is none."""
    steps = list(dis.get_instructions(code))
    begins: dict[int, tuple[tuple[Literal["with", "for"], Operand], ...]] = {}
    after: set[int] = set()
    for index, step in enumerate(steps):
        what = _ENTRIES.get(step.opname)
        operand = _ending_at(steps, index - 1) if what is not None else None
        line = _line(step)
        if what is None or operand is None or line is None:
            continue
        begins[line] = (*begins.get(line, ()), (what, operand))
        if what == "with":
            others = (_line(later) for later in steps[index + 1 :])
            after.update([next((other for other in others if other not in (None, line)), line)])
    return Lines(begins, frozenset(after)) if begins else None


def last_argument(code: CodeType, offset: int, keyword: str = "") -> Operand | None:
    """The last argument of the call at this offset, given by that keyword if there is one."""
    steps = list(dis.get_instructions(code))
    for index, step in enumerate(steps):
        if step.offset != offset:
            continue
        at, names = index - 1, ()
        while at >= 0 and steps[at].opname in ("KW_NAMES", "PRECALL"):
            names = steps[at].argval if steps[at].opname == "KW_NAMES" else names
            at -= 1
        if step.opname == "CALL_KW":
            names, at = steps[at].argval, at - 1
        # 3.12 gives only the index of the names.
        names = code.co_consts[names] if isinstance(names, int) else names
        if keyword and not (names and names[-1] == keyword):
            return None
        return _ending_at(steps, at)
    return None


def _ending_at(steps: list[dis.Instruction], index: int) -> Operand | None:
    """The chain of loads whose last instruction this is."""
    path: list[tuple[Literal["attribute", "item"], Any]] = []
    while index >= 0 and len(path) < _LONGEST_CHAIN:
        step = steps[index]
        name = step.argval[-1] if isinstance(step.argval, tuple) else step.argval
        if step.opname == "LOAD_ATTR":
            path.append(("attribute", name))
            index -= 1
        elif step.opname == "BINARY_SUBSCR" and steps[index - 1].opname == "LOAD_CONST":
            path.append(("item", steps[index - 1].argval))
            index -= 2
        elif step.opname.startswith(_LOCALS):
            return Operand(str(name), True, tuple(reversed(path)))
        elif step.opname == "LOAD_CONST" and not path:
            return Operand("", True, constant=step.argval)
        elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            return Operand(str(name), False, tuple(reversed(path)))
        else:
            return None
    return None


def _line(step: dis.Instruction) -> int | None:
    return step.positions.lineno if step.positions is not None else None


def _attribute(value: Any, name: str) -> Any:
    if type(value) is ModuleType:
        return vars(value).get(name, MISSING)
    found = inspect.getattr_static(value, name, MISSING)
    if isinstance(found, MemberDescriptorType):  # of __slots__: C code, and nobody's own
        return getattr(value, name, MISSING)
    return found


def _item(value: Any, key: Any) -> Any:
    if type(value) is dict or (type(value) in (list, tuple) and type(key) is int):
        try:
            return value[key]
        except (KeyError, IndexError):
            return MISSING
    return MISSING
