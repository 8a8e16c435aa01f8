"""The words of the catalog: categories, ways to judge, entries. Knows no callable by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Category = Literal[
    "sleep",
    "network",
    "dns",
    "tls",
    "http",
    "subprocess",
    "lock",
    "join",
    "queue",
    "database",
    "file",
    "file_metadata",
    "stdin",
    "import",
    "cpu",
    "unknown",
]
CATEGORIES: frozenset[str] = frozenset(get_args(Category))

Judge = Literal[
    "always", "socket", "tls", "path", "file", "fd", "wait", "iterates", "into", "applies",
    "hashes", "certificates", "resolves",
]  # fmt: skip

# How a blocking call is distinguished from a harmless one, as documented.
JUDGES: dict[str, str] = {
    "always": "whatever its arguments",
    "socket": "on a socket whose timeout is not 0; sending a datagram only if it waited",
    "tls": "on a TLS socket whose timeout is not 0",
    "path": "on a path of a real file system (not /dev, /proc, /sys)",
    "file": "on an open file of a real file system, a socket's file, or stdin",
    "fd": "on the descriptor of a real file, a pipe or a socket that blocks",
    "wait": "only if it waited: 1 ms or more, and the thread was put to sleep",
    "iterates": "when the argument is an open file or a cursor",
    "applies": "when its first argument is a function of this catalog that always blocks",
    "hashes": "from 5 ms of CPU time on, in the default profile as an error from 20 ms on",
    "certificates": "from 3 ms of CPU time on; in the default profile a warning from 50 ms on, an "
    "error from 250 ms on",
    "into": "when it writes into an open file (its last argument)",
    "resolves": "unless its host is None, the wildcard address",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One callable that can block the loop."""

    name: str
    category: Category
    judge: Judge
    remedy: str


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A Python function that people write, above the C functions that block.

    `always`: calling it in a coroutine is a finding even when a mock answers
    at once and nothing below it blocks.
    """

    entry: Entry
    modules: tuple[str, ...]
    always: bool = False
