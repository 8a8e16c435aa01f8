"""Is a history of calls what a sequential model allows, in some order that fits their times?

The search of Wing and Gong (1993) with the memory of Lowe (2017): of the calls that had begun
before any other one was answered, one comes next; a set of calls that led to the same state
before is not tried again. Must not depend on HTTP, nor on how the calls were made.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_STEPS = 200_000  # of the search in one history
_SHOWN = 8  # calls that a violation shows


@dataclass(slots=True)
class Call:
    """One call of a history: `name` and `args` of the model's method, and what was answered.

    `begun` and `ended` are places in the sequence of all events; `ended` is None for a call
    whose effect is not known (it raised, or was answered 5xx): it may have happened or not.
    """

    number: int
    name: str
    args: tuple[Any, ...]
    begun: int
    ended: int | None = None
    answer: Any = None

    def __str__(self) -> str:
        return f"#{self.number} {self.name}({', '.join(map(repr, self.args))})"


@dataclass(frozen=True, slots=True)
class Violation:
    """A call whose answer no order of the calls explains.

    `key` is the part of the state that it is about, `call` the first such call in the order of
    the answers, `possible` what it might have answered, `overlapping` the calls that were under
    way at the same time, `stale` the last call that the answer does not reckon with, where it is
    the answer of an older state.
    """

    key: Any
    call: Call
    possible: tuple[Any, ...]
    before: tuple[Call, ...]
    overlapping: tuple[Call, ...]
    stale: Call | None = None

    def __str__(self) -> str:
        about = "" if self.key is None else f" of {self.key!r}"
        might = " or ".join(map(repr, self.possible)) or "nothing that the model knows"
        lines = [
            f"{self.call}{about} was answered {self.call.answer!r}; it might have been {might}"
        ]
        if self.stale is not None:
            lines.append(
                f"a stale read: it is right before {self.stale}, which had been answered before "
                f"{self.call} was sent"
            )
        lines += [f"before it   {one} -> {one.answer!r}" for one in self.before[-_SHOWN:]]
        lines += [
            f"meanwhile   {one} -> {'no answer' if one.ended is None else repr(one.answer)}"
            for one in self.overlapping
        ]
        if self.stale is None and self.overlapping:
            lines.append(
                f"no order of {self.call} and what ran meanwhile gives these answers: a cycle"
            )
        return "\n".join(lines)


class Undecided(Exception):
    """The search was given up."""


@dataclass
class _Node:
    """A state of the model, and which calls have led to it."""

    model: Any
    done: int  # a bit for each call
    choices: list[int] = field(default_factory=list)


class History:
    """The calls of one key, and the search through their orders.

    `matches` compares what a method of the model returns with an answer.
    """

    def __init__(
        self,
        model: Callable[[], Any],
        calls: Sequence[Call],
        matches: Callable[[Any, Any], bool],
    ) -> None:
        self._model = model
        self._calls = sorted(calls, key=lambda call: call.begun)
        self._matches = matches
        self._steps = 0

    def violation(self, key: Any) -> Violation | None:
        """The first answer that nothing explains. Raises `Undecided`."""
        if self._states(self._calls) is not None:
            return None
        answered = sorted((c for c in self._calls if c.ended is not None), key=_end)
        low, high = 0, len(answered) - 1  # the first prefix that fails, by halves
        while low < high:
            middle = (low + high) // 2
            if self._states(self._until(answered[middle])) is None:
                high = middle
            else:
                low = middle + 1
        return self._explained(key, answered[low])

    def _until(self, last: Call, *, without: bool = False) -> list[Call]:
        """What had begun when `last` was answered; later answers are not known yet."""
        end = _end(last)
        known = (c for c in self._calls if c.begun < end and not (without and c is last))
        return [c if _end(c) <= end else _unknown(c) for c in known]

    def _explained(self, key: Any, bad: Call) -> Violation:
        others = self._until(bad, without=True)
        states = self._states([*others, _unknown(bad)], every=True) or []
        possible: list[Any] = []
        for model in states:
            answer = getattr(copy.deepcopy(model), bad.name)(*bad.args)
            if answer not in possible:
                possible.append(answer)
        before = [c for c in others if _end(c) < bad.begun]
        overlapping = [c for c in self._calls if c.begun < _end(bad) and _end(c) > bad.begun]
        overlapping = [c for c in overlapping if c is not bad]
        return Violation(
            key=key,
            call=bad,
            possible=tuple(possible),
            before=tuple(before),
            overlapping=tuple(overlapping),
            stale=self._stale(bad, before),
        )

    def _stale(self, bad: Call, before: Sequence[Call]) -> Call | None:
        """The latest call before which the answer would have been right."""
        for place in range(len(before) - 1, -1, -1):
            for model in self._states(before[:place], every=True) or []:
                if self._matches(getattr(copy.deepcopy(model), bad.name)(*bad.args), bad.answer):
                    return before[place]
        return None

    def _states(self, calls: Sequence[Call], *, every: bool = False) -> list[Any] | None:
        """A state after all known calls (or every one); None where no order explains them."""
        wanted = sum(1 << n for n, call in enumerate(calls) if call.ended is not None)
        seen: set[tuple[int, str]] = set()
        found: list[Any] = []
        stack = [_Node(self._model(), 0)]
        while stack:
            node = stack.pop()
            mark = (node.done, _state_of(node.model))
            if mark in seen:
                continue
            seen.add(mark)
            if node.done & wanted == wanted:
                found.append(node.model)
                if not every:
                    return found
            for number in self._next(calls, node.done):
                self._steps += 1
                if self._steps > _MOST_STEPS:
                    raise Undecided
                call, model = calls[number], copy.deepcopy(node.model)
                answer = getattr(model, call.name)(*call.args)
                if call.ended is None or self._matches(answer, call.answer):
                    stack.append(_Node(model, node.done | 1 << number))
        return found or None

    def _next(self, calls: Sequence[Call], done: int) -> list[int]:
        """Those that may come next: begun before the first that is left was answered."""
        left = [n for n in range(len(calls)) if not done >> n & 1]
        first = min((_end(calls[n]) for n in left), default=0.0)
        return [n for n in reversed(left) if calls[n].begun < first]

    def __repr__(self) -> str:
        return f"<History of {len(self._calls)} calls>"


def _end(call: Call) -> float:
    return float("inf") if call.ended is None else call.ended


def _unknown(call: Call) -> Call:
    return Call(call.number, call.name, call.args, call.begun)


def _state_of(model: Any) -> str:
    """The identity of a state of the model."""
    state = getattr(model, "__dict__", None)
    return repr(model) if state is None else repr(sorted(state.items()))
