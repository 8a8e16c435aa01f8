"""The one language of faults, shared by the marker, the flag and the ini key.

    PATTERN: word[=value], word[=value] ...

`"https://pay.example/*: read_timeout, first=2"`. The pattern ends at the first
colon followed by a space, or else at the last colon before a known word, so
that URLs with ports need no quoting. Standard library only.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from ..units import seconds
from .effect import ENDINGS, Effect
from .errors import FaultSpecError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_WITH_VALUE = {
    "latency": "a duration (latency=3s)",
    "status": "an HTTP status (status=503)",
    "retry_after": "seconds or a date (retry_after=1)",
    "first": "a count (first=2)",
    "probability": "a number above 0, up to 1 (probability=0.5)",
    "p": "a number above 0, up to 1 (p=0.5)",
}
WORDS = (*ENDINGS, *_WITH_VALUE, "optional")
_KNOWN = (
    f"faults: latency=3s, {', '.join(ENDINGS)}, status=503 (with retry_after=1)\n"
    "schedules: first=2, probability=0.5 (or p=0.5), optional"
)
_WORD_AHEAD = re.compile(rf":(?=\s*(?:{'|'.join(WORDS)})\s*(?:[=,]|\Z))")
_ANY_WORD_AHEAD = re.compile(r":(?=[A-Za-z_]+\s*(?:[=,]|\Z))")


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One parsed spec: where, what and when."""

    pattern: str
    effect: Effect
    first: int | None = None
    probability: float | None = None
    optional: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Item:
    word: str
    value: str | None
    at: int
    value_at: int


def parse(spec: str) -> FaultSpec:
    """Read a spec; raises `FaultSpecError` that points at the character."""
    end = _pattern_end(spec)
    pattern = spec[:end].strip()
    if not pattern:
        raise FaultSpecError(spec, 0, "the URL pattern before the colon is missing ('*' is any)")
    result = FaultSpec(pattern, Effect(), text=spec.strip())
    seen: dict[str, _Item] = {}
    for item in _items(spec, end + 1):
        name = "probability" if item.word == "p" else item.word
        if name in seen:
            raise FaultSpecError(spec, item.at, f"{item.word!r} is said twice")
        seen[name] = item
        result = _apply(spec, result, item)
    _check(spec, result, seen)
    return result


def _pattern_end(spec: str) -> int:
    colon = spec.find(": ")
    if colon >= 0:
        return colon
    for ahead in (_WORD_AHEAD, _ANY_WORD_AHEAD):
        found = list(ahead.finditer(spec))
        if found:
            return found[-1].start()
    problem = "a colon and a fault are missing after the URL pattern"
    if spec.endswith(":") and spec.count(":") != spec.count("://"):
        problem = "a fault is missing after the colon"
    raise FaultSpecError(spec, len(spec), problem, _KNOWN)


def _items(spec: str, start: int) -> list[_Item]:
    items = []
    at = start
    for part in spec[start:].split(","):
        begin = at + len(part) - len(part.lstrip())
        word, equals, value = part.strip().partition("=")
        at += len(part) + 1
        if not word.strip():
            raise FaultSpecError(spec, min(begin, len(spec)), "a word is missing here", _KNOWN)
        value_at = begin + len(word) + 1 + len(value) - len(value.lstrip())
        items.append(_Item(word.strip(), value.strip() if equals else None, begin, value_at))
    return items


def _apply(spec: str, result: FaultSpec, item: _Item) -> FaultSpec:
    word = item.word
    _check_word(spec, item)
    if word == "optional":
        return replace(result, optional=True)
    if word in ENDINGS:
        return _end(spec, result, item, ending=word)
    if word == "status":
        return _end(spec, result, item, ending="status", status=_read(spec, item, status_code))
    if word == "first":
        return replace(result, first=_read(spec, item, count))
    if word in ("probability", "p"):
        return replace(result, probability=_read(spec, item, share))
    if word == "latency":
        effect = replace(result.effect, delay=_read(spec, item, seconds))
    else:
        effect = replace(result.effect, retry_after=item.value or "")
    return replace(result, effect=effect)


def _check_word(spec: str, item: _Item) -> None:
    word = item.word
    if word not in WORDS:
        close = difflib.get_close_matches(word, WORDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise FaultSpecError(spec, item.at, f"{word!r} is not a word that is known{hint}", _KNOWN)
    if word not in _WITH_VALUE and item.value is not None:
        raise FaultSpecError(spec, item.value_at, f"{word!r} takes no value")
    if word in _WITH_VALUE and not item.value:
        raise FaultSpecError(spec, item.at + len(word), f"{word!r} needs {_WITH_VALUE[word]}")


def _end(spec: str, result: FaultSpec, item: _Item, *, ending: str, status: int = 0) -> FaultSpec:
    if result.effect.ending:
        raise FaultSpecError(
            spec, item.at, f"a call ends once, and {result.effect.ending!r} already ends it"
        )
    return replace(result, effect=replace(result.effect, ending=ending, status=status))


def _read(spec: str, item: _Item, reader: Callable[[str], _T]) -> _T:
    try:
        return reader(item.value or "")
    except ValueError as error:
        raise FaultSpecError(spec, item.value_at, str(error)) from None


def status_code(value: int | str) -> int:
    """An HTTP status of a final response; `ValueError` with a sentence otherwise."""
    if str(value).isdecimal() and 200 <= int(value) <= 599:
        return int(value)
    raise ValueError(f"{value!r} is not an HTTP status: write a number from 200 to 599")


def count(value: int | str) -> int:
    """How often: 1 or more; `ValueError` with a sentence otherwise."""
    if str(value).isdecimal() and int(value) >= 1:
        return int(value)
    raise ValueError(f"{value!r} is not a count: write 1 or more")


def share(value: float | str) -> float:
    """A probability above 0, up to 1; `ValueError` with a sentence otherwise."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if 0 < number <= 1:
        return number
    raise ValueError(f"{value!r} is not a probability: write a number above 0, up to 1")


def _check(spec: str, result: FaultSpec, seen: dict[str, _Item]) -> None:
    if "retry_after" in seen and "status" not in seen:
        raise FaultSpecError(spec, seen["retry_after"].at, "'retry_after' goes with 'status='")
    if not result.effect.ending and "latency" not in seen:
        at = min(item.at for item in seen.values())
        raise FaultSpecError(spec, at, "this says when, but not what goes wrong", _KNOWN)
