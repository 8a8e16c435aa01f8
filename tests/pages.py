"""The code blocks of a page, to be run: what the tests of README and docs have in common.

A Python block whose first line is `# file: shop.py` (or just `# shop.py`) is that file;
any other is a test file. A `text` block is an output.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# (?:file: )?(\S+\.\w+)\n")
_TEST = re.compile(r"^ *(?:async )?def test_", re.MULTILINE)
INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that it says it is."""
        named = _NAMED.match(self.text)
        return named[1] if named else None

    @property
    def tests(self) -> int:
        """How many test functions it has."""
        return len(_TEST.findall(self.text))


def blocks(page: str, language: str = "python") -> list[Block]:
    """The blocks of a page, by its path in the project, in one language; `""` is all of them."""
    text = ROOT.joinpath(page).read_text(encoding="utf-8")
    return [
        Block(found[2], textwrap.dedent(found[3]), text.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(text)
        if language in ("", found[2])
    ]


def write(
    folder: Path,
    page: str,
    *,
    prelude: str = "",
    change: Callable[[str], str] = lambda text: text,
) -> int:
    """Write every Python block of a page into a project; how many tests there are.

    `prelude` goes before each test file; `change` may rewrite each text.
    """
    tests = 0
    for block in blocks(page):
        path = folder / (block.file or f"test_line_{block.line}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(change(block.text if block.file else prelude + block.text), "utf-8")
        tests += block.tests
    return tests


def settled(text: str) -> list[str]:
    """The lines of an output without what differs from run to run: how long things took."""
    text = re.sub(r"\d+(\.\d+)? (ms|us)\b", "N ms", text)
    text = re.sub(r" in \d+\.\d+s( \(\S+\))?", " in N s", text)
    return [line.rstrip() for line in text.strip().splitlines()]


def is_shown_by(shown: str, output: str) -> bool:
    """Is every line that is shown in the output, in this order? `...` stands for any number."""
    lines = iter(settled(output))
    wanted = [line for line in settled(shown) if line.strip() not in ("", "...")]
    return all(any(line.endswith(want.strip()) for line in lines) for want in wanted)
