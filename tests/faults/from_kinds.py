"""What is written from the kinds of faults: `python -m tests.faults.from_kinds`.

The methods of the builder without arguments of their own (written, so that an editor completes and
checks them), and the table of docs/upstream.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest_asyncfastapi
from pytest_asyncfastapi._faults.kinds import KINDS

MODULE = Path(pytest_asyncfastapi.__file__).parent / "_faults" / "plain_faults.py"
PAGE = Path(__file__).parents[2] / "docs" / "upstream.md"
BEGIN, END = "<!-- fault kinds: begin -->\n", "<!-- fault kinds: end -->\n"
_HEAD = '''"""The verbs after `faults.on(pattern)` that have no arguments of their own.

Written from the kinds of faults by `python -m tests.faults.from_kinds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .point import Point

if TYPE_CHECKING:
    from .rule import FaultRule


class PlainFaults(Point):
    """A fault of each of these kinds."""
'''
_METHOD = '''
    def {name}(self, *, optional: bool = False) -> FaultRule:
        """{method}

        Args:
            optional: Do not fail the test if no call gets this fault.

        Returns:
            The rule, which a schedule can follow: `.first(2)`.
        """
        return self._plain("{name}", optional)
'''


def methods() -> str:
    """The module with the methods."""
    parts = [_HEAD]
    for kind in KINDS.values():
        if kind.method:
            parts.append(_METHOD.format(name=kind.name, method=kind.method))
        elif kind.same_as:
            parts.append(f"\n    {kind.name} = {kind.same_as}\n")
    return "".join(parts)


def table() -> str:
    """The table of the docs: kinds of which the same can be said share a row."""
    rows: dict[str, tuple[dict[str, None], dict[str, None], bool]] = {}
    for kind in KINDS.values():
        if not kind.same_as:
            verbs, words, plain = rows.get(kind.what, ({}, {}, True))
            verbs[kind.builder or f"`.{kind.name}()`"] = None
            words[kind.grammar or f"`{kind.name}`"] = None
            rows[kind.what] = verbs, words, plain and not (kind.builder or kind.grammar)
    lines = ["| builder | grammar | what happens |", "|---|---|---|"]
    for what, (verbs, words, plain) in rows.items():
        same = plain and len(words) > 1
        grammar = "the same words" if same else ", ".join(words)
        lines.append(f"| {', '.join(verbs)} | {grammar} | {what} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the table of today."""
    head, _, rest = text.partition(BEGIN)
    return head + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    MODULE.write_text(methods(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
