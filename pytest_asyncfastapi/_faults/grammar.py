"""The one language of faults, shared by the marker, the flag and the ini key.

    PATTERN: word[=value], word[=value] ...

`"https://pay.example/*: read_timeout, first=2"`. The pattern ends at the first
colon followed by a space, or else at the last colon before a known word, so
that URLs with ports need no quoting. Standard library only.
"""

from __future__ import annotations

import difflib
import importlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .connections import Server, is_connection, wrong
from .effect import DELAYS, Effect
from .errors import FaultSpecError
from .keywords import PREFIX, SCHEDULES, known, vocabulary

if TYPE_CHECKING:
    from .keywords import Word
    from .kinds import Keyword

_ANY_WORD_AHEAD = re.compile(r":(?=[A-Za-z_]+\s*(?:[=,]|\Z))")


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One parsed spec: where, what and when.

    `schedules` are names of verbs of a rule and their arguments, in order.
    """

    pattern: str
    effect: Effect
    schedules: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    optional: bool = False
    text: str = ""
    raises: str = ""

    @property
    def first(self) -> int | None:
        """The count of `first=`, if it is there."""
        return next((values[0] for name, values in self.schedules if name == "first"), None)

    @property
    def probability(self) -> float | None:
        """The chance of `probability=`, if it is there."""
        return next((values[0] for name, values in self.schedules if name == "probability"), None)


@dataclass(frozen=True, slots=True)
class _Item:
    word: str
    value: str | None
    at: int
    value_at: int


def parse(spec: str) -> FaultSpec:
    """Read a spec; raises `FaultSpecError` that points at the character."""
    words = vocabulary()
    end = _pattern_end(spec, words)
    pattern = spec[:end].strip()
    if not pattern:
        raise FaultSpecError(spec, 0, "the URL pattern before the colon is missing ('*' is any)")
    result = FaultSpec(pattern, Effect(), text=spec.strip())
    seen: dict[str, _Item] = {}
    for item in _items(spec, end + 1):
        name = {"p": "probability", "head": "latency"}.get(item.word, item.word)
        if name in seen:
            raise FaultSpecError(spec, item.at, f"{item.word!r} is said twice")
        seen[name] = item
        result = _apply(spec, result, item, words)
    _check(spec, result, seen)
    return result


def _pattern_end(spec: str, words: dict[str, Word]) -> int:
    colon = spec.find(": ")
    if colon >= 0:
        return colon
    known_word = re.compile(rf":(?=\s*(?:{'|'.join(words)})\s*(?:[=,]|\Z))")
    for ahead in (known_word, _ANY_WORD_AHEAD):
        found = list(ahead.finditer(spec))
        if found:
            return found[-1].start()
    problem = "a colon and a fault are missing after the URL pattern"
    if spec.endswith(":") and spec.count(":") != spec.count("://"):
        problem = "a fault is missing after the colon"
    raise FaultSpecError(spec, len(spec), problem, known())


def _items(spec: str, start: int) -> list[_Item]:
    items = []
    at = start
    # A comma in brackets belongs to a distribution: latency=uniform(1s, 2s).
    for part in re.split(r",(?![^(]*\))", spec[start:]):
        begin = at + len(part) - len(part.lstrip())
        word, equals, value = part.strip().partition("=")
        at += len(part) + 1
        if not word.strip():
            raise FaultSpecError(spec, min(begin, len(spec)), "a word is missing here", known())
        value_at = begin + len(word) + 1 + len(value) - len(value.lstrip())
        items.append(_Item(word.strip(), value.strip() if equals else None, begin, value_at))
    return items


def _apply(spec: str, result: FaultSpec, item: _Item, words: dict[str, Word]) -> FaultSpec:
    kind, keyword = _word(spec, item, words)
    if item.word == "optional":
        return replace(result, optional=True)
    found: dict[str, Any] = {}
    if kind is not None and kind.category == "ending":
        found["ending"] = kind.name
    if keyword is None:
        return _with(spec, result, item, found or {item.word: True})
    value = _read(spec, item, keyword)
    if item.word == "raises":
        return replace(result, raises=value)
    if item.word in SCHEDULES:
        name = "probability" if item.word == "p" else item.word
        values = value if isinstance(value, tuple) else (value,)
        return replace(result, schedules=(*result.schedules, (name, values)))
    if keyword.default:
        found["detail"] = keyword.default
    if isinstance(value, dict):
        found |= value
    elif item.value is not None:
        found[keyword.field] = value
    return _with(spec, result, item, found)


def _word(spec: str, item: _Item, words: dict[str, Word]) -> Word:
    word = item.word
    if word not in words:
        close = difflib.get_close_matches(word, words, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise FaultSpecError(spec, item.at, f"{word!r} is not a word that is known{hint}", known())
    found = words[word]
    if found.keyword is None and item.value is not None:
        raise FaultSpecError(spec, item.value_at, f"{word!r} takes no value")
    keyword, is_bare = found.keyword, item.value is None
    if keyword is not None and not item.value and not (is_bare and keyword.bare):
        raise FaultSpecError(spec, item.at + len(word), f"{word!r} needs {keyword.needs}")
    return found


def _with(spec: str, result: FaultSpec, item: _Item, found: dict[str, Any]) -> FaultSpec:
    if "ending" in found and result.effect.ending:
        raise FaultSpecError(
            spec, item.at, f"a call ends once, and {result.effect.ending!r} already ends it"
        )
    delays = {name: value for name, value in found.items() if name in DELAYS}
    others = {name: value for name, value in found.items() if name not in DELAYS}
    return replace(result, effect=replace(result.effect.timed(**delays), **others))


def _read(spec: str, item: _Item, word: Keyword) -> Any:
    if item.value is None:
        return None
    try:
        return word.read(item.value)
    except ValueError as error:
        raise FaultSpecError(spec, item.value_at, str(error)) from None


def _check(spec: str, result: FaultSpec, seen: dict[str, _Item]) -> None:
    if "retry_after" in seen and "status" not in seen:
        raise FaultSpecError(spec, seen["retry_after"].at, "'retry_after' goes with 'status='")
    _check_place(spec, result, seen)
    if not any(name not in SCHEDULES and name != "optional" for name in seen):
        at = min(item.at for item in seen.values())
        raise FaultSpecError(spec, at, "this says when, but not what goes wrong", known())


def _check_place(spec: str, result: FaultSpec, seen: dict[str, _Item]) -> None:
    if not result.pattern.startswith(PREFIX):
        if "raises" in seen:
            raise FaultSpecError(
                spec, seen["raises"].at, f"'raises' goes with a dependency: '{PREFIX}pkg.mod:name'"
            )
        if is_connection(result.pattern):
            _check_connection(spec, result, seen)
        return
    name = result.pattern.removeprefix(PREFIX)
    if not all(part.strip() for part in name.partition(":")):
        problem = "this does not say which dependency: write dependency:package.module:function"
        raise FaultSpecError(spec, len(PREFIX), problem)
    for word, item in seen.items():
        if word not in ("latency", "raises", "optional") and word not in SCHEDULES:
            problem = f"{item.word!r} is not a fault of a dependency: write latency= or raises="
            raise FaultSpecError(spec, item.at, problem)


def _check_connection(spec: str, result: FaultSpec, seen: dict[str, _Item]) -> None:
    try:
        Server(result.pattern)
    except ValueError as error:
        raise FaultSpecError(spec, 0, str(error)) from None
    word, problem = wrong(result.pattern, result.effect)
    if word:
        at = next((item.at for name, item in seen.items() if name.startswith(word)), 0)
        raise FaultSpecError(spec, at, problem)


def load_exception(spec: FaultSpec) -> Any:
    """The exception class that `raises=` names; None without it. Raises `FaultSpecError`."""
    if not spec.raises:
        return None
    at = max(0, spec.text.rfind(spec.raises))
    module, _, name = spec.raises.rpartition(":")
    try:
        found = getattr(importlib.import_module(module or "builtins"), name, None)
    except ImportError:
        raise FaultSpecError(spec.text, at, f"there is no module {module!r}") from None
    if not isinstance(found, type) or not issubclass(found, BaseException):
        raise FaultSpecError(spec.text, at, f"{spec.raises!r} is not an exception class")
    try:
        found()
    except TypeError:
        problem = f"{name} cannot be made without arguments: use faults.dependency(...).raises(...)"
        raise FaultSpecError(spec.text, at, problem) from None
    return found


__all__ = ["FaultSpec", "load_exception", "parse"]
