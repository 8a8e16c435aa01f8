"""Plain technical English: words and forms that readers stumble over, each with what to write.

`python -m tests.prose` is part of `make lint`. It reads the documentation, and of the package and
its tests the docstrings, comments and messages.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    r"\bwitness(es)?\b": "detector",
    r"\bcall taps?\b": "call monitor",
    r"\bstep watch\b": "step timer",
    r"\bpushed aside\b": "waited for a processor",
    r"\bcome what may\b": "always",
    r"\bfor want of\b": "without",
}

# Of the package's comments and docstrings only: elsewhere these words may be somebody else's.
PACKAGE = "pytest_asyncfastapi/**/*.py"
BANNED_THERE = {
    r"\bhears?\b": "records, receives, observes",
    r"\bheard\b": "recorded, received, observed",
    r"\b(is|are|be|been|was) told\b": "is called with, gets, is notified",
    r"\btold (apart|by|from)\b": "distinguished",
    r"(?<!there )\b(is|was|are) no (?!longer\b)": "is not a",
    r"\brooms?\b": "space, package",
    r"\bswitched (on|off)\b": "enabled, disabled",
    r"\bin the midst of\b": "during",
    r"\b(hold|holds|held) (any|no|some)(body|one) up\b": "delays",
    r"\b(lends?|lent) (to|a)\b": "gives, provides",
}


def comments(text: str) -> Iterator[tuple[int, str]]:
    """The lines of the comments and docstrings of a module, with their numbers."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_docstring = token.type == tokenize.STRING and token.string.startswith('"""')
        if token.type == tokenize.COMMENT or is_docstring:
            yield from enumerate(token.string.splitlines(), token.start[0])


def mistakes() -> Iterator[str]:
    """Each banned form that is found: file, line, the words, and what to write."""
    for path in sorted({path for each in READ for path in ROOT.glob(each)} - {Path(__file__)}):
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        yield from _mistakes_in(path, lines, BANNED)
    for path in sorted(ROOT.glob(PACKAGE)):
        yield from _mistakes_in(path, comments(path.read_text(encoding="utf-8")), BANNED_THERE)


def _mistakes_in(
    path: Path, lines: Iterable[tuple[int, str]], banned: dict[str, str]
) -> Iterator[str]:
    patterns = {re.compile(form, re.IGNORECASE): better for form, better in banned.items()}
    for number, line in lines:
        for pattern, better in patterns.items():
            if found := pattern.search(line):
                place = path.relative_to(ROOT).as_posix()
                yield f"{place}:{number}: {found[0]!r}: write {better}"


if __name__ == "__main__":
    found = list(mistakes())
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
