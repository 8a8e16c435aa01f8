"""The lines around a place in the code, as the files are when the report is written."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._core.findings import Location

AROUND = 3  # lines before and after


class Sources:
    """Reads each file once; knows a place only where its line is still what it was."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._files: dict[str, list[str]] = {}

    def around(self, where: Location) -> list[Any] | None:
        """`[number of the first line, lines]`; None where the file has changed or is not there."""
        lines = self._lines(where.path)
        if not 1 <= where.line <= len(lines):
            return None
        if where.source and lines[where.line - 1].strip() != where.source.strip():
            return None
        first = max(1, where.line - AROUND)
        shown = "\n".join(lines[first - 1 : where.line + AROUND])
        return [first, textwrap.dedent(shown).split("\n")]

    def _lines(self, path: str) -> list[str]:
        if path not in self._files:
            try:
                text = (self._root / path).read_text("utf-8")
            except (OSError, ValueError):
                text = ""
            self._files[path] = text.splitlines()
        return self._files[path]

    def __repr__(self) -> str:
        return f"<Sources: {len(self._files)} files>"
