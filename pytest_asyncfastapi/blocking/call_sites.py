"""Which calls of a function may have another callee next time: told by its bytecode.

For the call tap, which need not hear the others again. Knows nothing of who asks.
"""

from __future__ import annotations

import opcode
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType

_GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_ATTRIBUTE_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})
_CALLS = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})


def live_sites(
    code: CodeType, names: frozenset[str] | None, module: dict[str, Any]
) -> frozenset[int]:
    """The offsets of the calls whose callee may be another one next time.

    With `names`, only calls of a method of one of these names; without, every
    call of what is neither a global of the `module` nor a module's function.
    The callee is loaded by the last instructions before the call that begin
    at the same place of the source.
    """
    if names is not None and names.isdisjoint(code.co_names):
        return frozenset()  # nearly all of the libraries' code: reading it is what takes time
    loads: dict[tuple[int | None, int | None], _Load] = {}
    live: set[int] = set()
    raw, extended = code.co_code, 0
    for index, (line, _, column, _) in enumerate(code.co_positions()):
        op, arg = opcode.opname[raw[2 * index]], raw[2 * index + 1] | extended << 8
        extended = arg if op == "EXTENDED_ARG" else 0
        if op in _CALLS:
            load = loads.get((line, column))
            # Unknown is rare; in a library it would have to be a name that changes, too.
            if names is None if load is None else load.may_change(names):
                live.add(2 * index)
        elif op in _ATTRIBUTE_LOADS:
            # The lowest bits of the argument tell methods from attributes.
            name = _name(code, arg >> (2 if op == "LOAD_SUPER_ATTR" else 1))
            owner = loads.get((line, column))
            of_module = owner is not None and isinstance(owner.value, ModuleType)
            loads[line, column] = _Load(of_module, name)
        elif op in _GLOBAL_LOADS:
            name = _name(code, arg >> 1 if op == "LOAD_GLOBAL" else arg)
            loads[line, column] = _Load(True, "", module.get(name))
        elif op.startswith("LOAD_") or op == "BINARY_SUBSCR":
            loads[line, column] = _Load(False, "")
    return frozenset(live)


class _Load:
    """How a callee was loaded."""

    __slots__ = ("fixed", "name", "value")

    def __init__(self, fixed: bool, name: str, value: Any = None) -> None:
        self.fixed = fixed
        self.name = name
        self.value = value

    def may_change(self, names: frozenset[str] | None) -> bool:
        return not self.fixed and (names is None or self.name in names)


def _name(code: CodeType, index: int) -> str:
    return code.co_names[index] if index < len(code.co_names) else ""
