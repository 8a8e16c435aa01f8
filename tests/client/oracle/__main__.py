"""`cd tests/client && python -m oracle`: measure again, and rewrite the table in the docs."""

from __future__ import annotations

from pathlib import Path

from .table import measured, replaced, table, versions

DOCUMENT = Path(__file__).parents[3] / "docs" / "client.md"

if __name__ == "__main__":
    text = DOCUMENT.read_text(encoding="utf-8")
    block = "\n" + versions() + "\n" + table(measured()) + "\n"
    DOCUMENT.write_text(replaced(text, block), encoding="utf-8")
