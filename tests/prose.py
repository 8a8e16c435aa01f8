"""Plain technical English: words and forms that readers stumble over, each with what to write.

`python -m tests.prose` is part of `make lint`. It reads the documentation, and of the package and
its tests the docstrings, comments and messages.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
READ = ("*.md", "docs/*.md", ".github/**/*.md", "pytest_asyncfastapi/**/*.py", "tests/**/*.py")
BANNED = {
    r"for ever\b": "forever",
    r"\bas ever\b": "as before, as usual",
    r"\bbe it that\b": "even if",
    r"\bminded\b": "reported",
    r"\btold of\b": "reported",
    r"\btells of\b": "reports",
    r"\bwhich it is not\b": "say what it is",
    r"\bthe house\b": "the code base",
    r"\b(this|that|a|each|every|its|the other) rooms?\b": "package",
    r"\bears (at|for)\b": "listens to",
    r"\bis nobody's\b": "say whose it is, or that it is not reported",
    r"\bhas a look\b": "looks, checks",
}


def mistakes() -> Iterator[str]:
    """Each banned form that is found: file, line, the words, and what to write."""
    patterns = {re.compile(form, re.IGNORECASE): better for form, better in BANNED.items()}
    for path in sorted({path for each in READ for path in ROOT.glob(each)}):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for pattern, better in patterns.items():
                if found := pattern.search(line):
                    place = path.relative_to(ROOT).as_posix()
                    yield f"{place}:{number}: {found[0]!r}: write {better}"


if __name__ == "__main__":
    found = list(mistakes())
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
