"""Recognises that a database in memory is gone: SQLite's ends with its connection.

SQLAlchemy's engines are recognised by their attributes; it is not imported.
"""

from __future__ import annotations

from traceback import walk_tb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_GONE = "no such table"
_MOST = 20  # errors of a chain


def is_memory_database(error: BaseException | None) -> bool:
    """Is it SQLite's error for a table that went with its database in memory?"""
    chain = list(_chain(error))
    return any(_says_gone(each) for each in chain) and any(
        _in_memory(engine) for each in chain for engine in _engines(each)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_MOST):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _says_gone(error: BaseException) -> bool:
    return type(error).__module__ == "sqlite3" and _GONE in str(error)


def _engines(error: BaseException) -> Iterator[Any]:
    """The engines of SQLAlchemy that the error has passed."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").startswith("sqlalchemy.engine"):
            engine = getattr(frame.f_locals.get("self"), "engine", None)
            if hasattr(engine, "url"):
                yield engine


def _in_memory(engine: Any) -> bool:
    url = engine.url
    if url.get_backend_name() != "sqlite":
        return False
    return not url.database or ":memory:" in url.database or "mode=memory" in str(url)
