"""Which calls of a function may have another callee next time, by the function's bytecode.

For the call tap, which need not hear the others again. Knows nothing of who asks.
"""

from __future__ import annotations

import opcode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType

# A function or class of the module, or an attribute: the same name is called the next time.
_FIXED_LOADS = frozenset(
    {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"}
)
_CALLS = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})
# What is called is neither a method nor, in most cases, a global: it was pushed by itself.
_PUSHED = opcode.opmap["PUSH_NULL"]


def dynamic_sites(code: CodeType) -> frozenset[int]:
    """The offsets of the calls of a variable, an item, or the result of another call.

    The callee is loaded by the last instructions before the call that begin
    at the same place of the source.
    """
    raw = code.co_code
    if _PUSHED not in raw[::2]:
        return frozenset()
    loads: dict[tuple[int | None, int | None], bool] = {}
    found: set[int] = set()
    for index, (line, _, column, _) in enumerate(code.co_positions()):
        op = opcode.opname[raw[2 * index]]
        if op in _CALLS:
            if loads.get((line, column), True):
                found.add(2 * index)
        elif op in _FIXED_LOADS:
            loads[line, column] = False
        elif op.startswith("LOAD_") or op == "BINARY_SUBSCR":
            loads[line, column] = True
    return frozenset(found)
