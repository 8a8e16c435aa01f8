"""The outcomes of requests one after the other, in each order: those that are allowed together.

Each order is run twice: what differs between the two is not compared. Must not depend on how
the requests are run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Any

from ..._core.base_error import AsyncFastAPIError
from .outcomes import (
    FREE,
    SHOWN,
    TIME,
    UNIQUE,
    VARIES,
    Flat,
    brief,
    differing,
    flatten,
    is_brief,
    kind_of,
    pattern_of,
    show_path,
    to_data,
    with_placeholders,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .outcomes import Path

MOST = 4  # requests: 24 orders, each run twice
# Statuses of a request that was refused because of another one.
REFUSED = (409, 412, 423, 425, 429, 503)
_PATHS = 6  # that are listed


class NotAtomic(AsyncFastAPIError, AssertionError):
    """Requests together came to what no order of them gives, one after the other."""


@dataclass(slots=True)
class TogetherResult:
    """What a few requests came to: the answer of each, as it was given, and the observation.

    Attributes:
        answers: What each request returned (a response), or the exception that it raised.
        observed: What `observe` gave; None without it.
        labels: What each request is called in messages.
        parts: What is compared of each answer, and of the observation at the end.
        flat: The same, by the path of each value.
    """

    answers: list[Any]
    observed: Any = None
    labels: list[str] = field(default_factory=list)
    parts: list[Any] = field(default_factory=list)
    flat: Flat = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.labels = [_label(answer, number) for number, answer in enumerate(self.answers, 1)]
        self.parts = [to_data(answer) for answer in self.answers]
        seen = to_data(self.observed)
        self.flat = flatten(self.parts, seen)
        self.parts.append(seen)

    def refused(self) -> set[int]:
        """The numbers of the requests that were refused because of the others.

        Returns:
            Numbers, from 1.
        """
        parts = enumerate(self.parts[:-1], 1)
        return {n for n, part in parts if isinstance(part, dict) and part.get("status") in REFUSED}


def _label(answer: Any, number: int) -> str:
    request = getattr(answer, "request", None)
    url, method = getattr(request, "url", None), getattr(request, "method", None)
    return f"{method} {url.path}" if url is not None and method else _nameless(number)


def _nameless(number: int) -> str:
    return f"request {number}"


def in_words(order: Sequence[int]) -> str:
    """`"1, then 2"`."""
    return ", then ".join(map(str, order)) or "no request"


class Sequential:
    """The outcomes of each order; `impossible` are those that cannot end by themselves.

    A request that was refused because of the others (`REFUSED`) may as well not have been sent:
    then the orders of the others count too, see `orders_to_try()`. `ignored` are keys of answers
    that are not compared.
    """

    def __init__(self, count: int, ignored: Sequence[str] = ()) -> None:
        self._count = count
        self._ignored = frozenset(f".{name}" for name in ignored)
        self._runs: dict[tuple[int, ...], list[TogetherResult]] = {}
        self.impossible: list[tuple[int, ...]] = []
        self.varying: dict[Path, str] = {}

    def all(self) -> list[tuple[int, ...]]:
        """Each order of all requests, by their numbers from 1."""
        return list(permutations(range(1, self._count + 1)))

    def possible(self) -> list[tuple[int, ...]]:
        """The orders that have been run to their end."""
        return [*self._runs]

    def orders_to_try(self, found: TogetherResult) -> list[tuple[int, ...]]:
        """The orders of fewer requests, not run yet, that this outcome may come from."""
        refused = found.refused()
        fewer = [
            order
            for size in range(self._count)
            for order in permutations(range(1, self._count + 1), size)
            if self._missing(order) <= refused
        ]
        return [order for order in fewer if order not in {*self._runs, *self.impossible}]

    def add(self, order: tuple[int, ...], found: TogetherResult) -> None:
        """One run of this order. Raises `ValueError` where it cannot be compared with another."""
        runs = self._runs.setdefault(order, [])
        runs.append(found)
        if len(runs) > 1:
            self._add_varying(order, self._compared(runs[0]), self._compared(found))

    def _missing(self, order: Sequence[int]) -> set[int]:
        return set(range(1, self._count + 1)) - {*order}

    def _compared(self, found: TogetherResult, without: Collection[int] = ()) -> Flat:
        heads = {f"answer {number}" for number in without}
        return {
            path: value
            for path, value in found.flat.items()
            if path[0] not in heads and self._ignored.isdisjoint(path)
        }

    def _add_varying(self, order: tuple[int, ...], one: Flat, other: Flat) -> None:
        for kind in (VARIES, FREE):
            paths = differing(
                with_placeholders(one, self.varying), with_placeholders(other, self.varying)
            )
            if not paths:
                return
            lost = [path for path in paths if path not in one or path not in other]
            if lost:
                raise ValueError(
                    f"the requests one after the other ({in_words(order)}) came to "
                    f"{show_path(lost[0])} in one run only: what they change is not made new for "
                    "each run, or is drawn at random. Fix: make it new in reset=, or in a "
                    "fixture of the test"
                )
            for path in paths:
                # A signed token may be the same within one second, and another in the next.
                text = isinstance(one[path], (str, float)) and kind_of(one[path]) != UNIQUE
                self.varying[pattern_of(path)] = FREE if text else kind

    def verdict(self, found: TogetherResult) -> str:
        """Nothing where an order gives the same; else the table of it beside the nearest."""
        refused = found.refused()
        distances = {}
        for order, runs in self._runs.items():
            missing = self._missing(order)
            if missing <= refused:
                mine, theirs = self._pair(found, runs[0], missing)
                distances[order] = differing(mine, theirs)
                if not distances[order]:
                    return ""
        if not distances:
            return ""
        order = min(distances, key=lambda one: (len(distances[one]), -len(one)))
        return self._table(found, order, distances[order])

    def _pair(
        self, found: TogetherResult, other: TogetherResult, missing: Collection[int]
    ) -> tuple[Flat, Flat]:
        """Both with names in place of what varies, without the answers that one has not."""
        mine, theirs = self._compared(found, missing), self._compared(other, missing)
        return with_placeholders(mine, self.varying), with_placeholders(theirs, self.varying)

    def _table(self, found: TogetherResult, order: tuple[int, ...], paths: list[Path]) -> str:
        near = self._runs[order][0]
        mine, theirs = self._pair(found, near, self._missing(order))
        labels = self._labels()
        names = [f"{n} {labels.get(n, label)}" for n, label in enumerate(found.labels, 1)]
        heads = [f"answer {number + 1}" for number in range(len(names))]
        width = max(len(name) for name in (*names, "observed"))
        lines = [f"together, and not one after the other ({in_words(order)} is nearest):"]
        for name, head, here, there in zip(
            [*names, "observed"], [*heads, "observed"], found.parts, near.parts, strict=True
        ):
            mine_there = [path for path in paths if path[0] == head]
            if head == "observed" and here is None and not mine_there:
                continue
            lines.append(f"{name:<{width}}  {brief(here)}")
            if mine_there:
                lines.append(f"{'not':>{width}}  {brief(there)}")
                both = [path for path in mine_there if path in mine and path in theirs]
                named_there = any(pattern_of(path) in self.varying for path in both)
                if named_there or not (is_brief(here) and is_brief(there)):
                    lines += _listed(mine, theirs, both)
        return "\n".join([*lines, *self.about()])

    def _labels(self) -> dict[int, str]:
        """Of the requests that have been answered in some run."""
        return {
            number: label
            for runs in self._runs.values()
            for number, label in enumerate(runs[0].labels, 1)
            if label != _nameless(number)
        }

    def about(self) -> list[str]:
        """What was not compared, and which orders could not be."""
        lines = [
            f"{'not compared' if kind in (TIME, FREE) else 'only equal ones compared'}: "
            f"{show_path(path)} ({kind})"
            for path, kind in sorted(self.varying.items())
        ]
        lines += [
            f"left out: {in_words(order)}, one after the other, never ends"
            for order in self.impossible
        ]
        return [*lines, *self._always_raised()]

    def _always_raised(self) -> Iterator[str]:
        for number in range(1, self._count + 1):
            found = (runs[0] for order, runs in self._runs.items() if number in order)
            parts = [one.parts[number - 1] for one in found]
            if parts and all(isinstance(part, dict) and "raised" in part for part in parts):
                yield f"raised in each order: answer {number} ({parts[0]['raised']})"

    def __repr__(self) -> str:
        return f"<Sequential: {len(self._runs)} orders>"


def _listed(mine: Flat, theirs: Flat, paths: list[Path]) -> list[str]:
    lines = [
        f"  {show_path(path)}: {_value(mine, path)}, not {_value(theirs, path)}"
        for path in paths[:_PATHS]
    ]
    more = len(paths) - _PATHS
    return lines if more <= 0 else [*lines, f"  and {more} more values"]


def _value(outcome: Flat, path: Path) -> str:
    text = repr(outcome[path])
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
