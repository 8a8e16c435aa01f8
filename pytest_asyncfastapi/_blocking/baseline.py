"""The file of known findings: only new ones fail.

A finding is identified by its category, its call and its line of source, not by the
number of that line, which moves. Knows the file's form; nothing of pytest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .._core.findings import Finding

Key = tuple[str, str, str, str, str]
_FIELDS = ("category", "call", "path", "function", "source")


def finding_key(found: Finding) -> Key:
    """What identifies a finding."""
    where = found.where
    category, call = str(found.data.get("category", "")), str(found.data.get("name", ""))
    if where is None:
        return (category, call, "", "", "")
    return (category, call, where.path, where.function, where.source)


def load(path: Path) -> frozenset[Key]:
    """The known findings. Raises `ValueError` with the second half of a sentence."""
    try:
        rows = json.loads(path.read_text("utf-8"))["findings"]
        return frozenset(_key(row) for row in rows)
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{str(path)!r} is not a baseline. Fix: give another file, or rewrite it with "
            f"update:{path.name}"
        ) from None


def _key(row: dict[str, str]) -> Key:
    category, call, path, function, source = (str(row[field]) for field in _FIELDS)
    return (category, call, path, function, source)


def save(path: Path, known: Iterable[Key]) -> None:
    """Write the file, in an order that makes good diffs."""
    rows = [dict(zip(_FIELDS, key, strict=True)) for key in sorted(known)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"findings": rows}, indent=1) + "\n", "utf-8")


def describe(key: Key) -> str:
    """An entry as text."""
    category, call, path, function, source = key
    return f"{call} ({category}) in {function or '?'}, {path or 'no file'}: {source}"
