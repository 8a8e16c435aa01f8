"""The vocabulary of the grammar: the words of the kinds of faults, and those that say when."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from . import values
from .kinds import KINDS, Keyword

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kinds import FaultKind

# What the pattern of a fault in a dependency begins with.
PREFIX = "dependency:"

SCHEDULES: dict[str, Keyword] = {
    "first": Keyword(values.count, "a count", "first=2"),
    "after": Keyword(values.count, "a count", "after=2"),
    "every": Keyword(values.count, "a count", "every=3"),
    "nth": Keyword(values.numbers, "numbers", "nth=2 or nth=1+4"),
    "between": Keyword(values.window, "a time window", "between=10s..20s"),
    "flapping": Keyword(values.on_and_off, "two durations", "flapping=5s/1s"),
    "ramp": Keyword(values.positive, "a duration", "ramp=30s"),
    "probability": Keyword(values.probability, "a number above 0, up to 1", "probability=0.5"),
    "p": Keyword(values.probability, "a number above 0, up to 1", "p=0.5"),
    "concurrency": Keyword(values.count, "a count", "concurrency=10"),
    "quota": Keyword(values.pieces, "a number in a time", "quota=10/1s"),
}
# What belongs to no kind of its own.
_BESIDE = {
    "raises": Keyword(str, "an exception", "raises=OSError, raises=pkg.mod:Error", "raises"),
    "retry_after": Keyword(str, "seconds or a date", "retry_after=1", "retry_after"),
    **SCHEDULES,
}


class Word(NamedTuple):
    """A word of the grammar: the kind of fault that it is of, and how its value is read."""

    kind: FaultKind | None = None
    keyword: Keyword | None = None


def vocabulary() -> dict[str, Word]:
    """Every word; to be read only."""
    return _vocabulary(tuple(KINDS))


@functools.lru_cache(maxsize=4)
def _vocabulary(names: tuple[str, ...]) -> dict[str, Word]:
    words = {
        word: Word(kind, kind.words.get(word))
        for kind in map(KINDS.__getitem__, names)
        for word in (kind.words or (kind.name,))
    }
    beside = {word: Word(None, keyword) for word, keyword in _BESIDE.items()}
    return {**words, **beside, "optional": Word()}


def known() -> str:
    """The words, for who has written another one."""
    return (
        f"delays: {_shown('delay')};"
        " also 200ms±50ms, uniform(1s, 2s), normal, lognormal, exponential\n"
        f"pace: {_shown('pace')}\n"
        f"changes: {_shown('change')}\n"
        f"endings: {_shown('ending')} (with retry_after=1)\n"
        "in a dependency (dependency:pkg.mod:get_db): latency=, raises=OSError\n"
        f"schedules: {', '.join(each.example for each in SCHEDULES.values())}, optional"
    )


def _shown(category: str) -> str:
    return ", ".join(
        text for kind in KINDS.values() if kind.category == category for text in _examples(kind)
    )


def _examples(kind: FaultKind) -> Iterator[str]:
    for word, keyword in kind.words.items():
        yield f"{word} (also {keyword.example})" if keyword.bare else keyword.example
    if not kind.words:
        yield kind.name
