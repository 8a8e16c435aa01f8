"""Recognises that a database in memory is gone: SQLite's ends with its connection.

Knows errors and SQLAlchemy's engines by their attributes; imports neither.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

_GONE = "no such table"


def is_memory_database(error: BaseException | None) -> bool:
    """Is it SQLite's word for a table that went with its database, and is there such a database?"""
    return _says_gone(error) and any(_in_memory(engine) for engine in _engines())


def _says_gone(error: BaseException | None) -> bool:
    seen = 0
    while error is not None and seen < 20:
        if type(error).__module__ == "sqlite3" and _GONE in str(error):
            return True
        error, seen = error.__cause__ or getattr(error, "orig", None) or error.__context__, seen + 1
    return False


def _engines() -> list[Any]:
    """Every engine of the process: it is asked for rarely, and after an error."""
    kind = getattr(sys.modules.get("sqlalchemy.engine.base"), "Engine", None)
    return [] if kind is None else [item for item in gc.get_objects() if isinstance(item, kind)]


def _in_memory(engine: Any) -> bool:
    url = engine.url
    if url.get_backend_name() != "sqlite":
        return False
    return not url.database or ":memory:" in url.database or "mode=memory" in str(url)
