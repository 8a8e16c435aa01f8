"""A POST or PATCH that is sent again although the first may have been processed.

After a timeout nobody knows whether the work was done. With a key that stays the same
(`Idempotency-Key`) the upstream can tell. A POST may be a mere question (a search, a
token), so it is only listed. Knows exchanges only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .problems import Problem
from .swept_faults import swept_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .call_identity import Made

_METHODS = ("POST", "PATCH")
_REMEDY = (
    "send an Idempotency-Key that stays the same for all tries, or do not send again what may "
    "have been done"
)


def unsafe(
    fault: str, made: Made, calls: Sequence[Made], clean: Sequence[Made]
) -> Iterator[Problem]:
    """Was the struck call sent once more, with the same body and no key, only for the fault?"""
    if not swept_faults()[fault].processed or made.out.method not in _METHODS:
        return
    again = _like(made, calls)
    if _key(made) and all(_key(each) == _key(made) for each in again):
        return
    usual = sum(_is_like(made, each) for each in clean)
    later = [each for each in again if calls.index(each) > calls.index(made)]
    if len(again) <= usual or not later:
        return
    first, second = made.out.where, later[0].out.where
    yield Problem(
        "unsafe retry",
        f"{made.label}, called at {first}, may have been processed when it met {fault}, and was "
        f"sent again with the same body at {second}",
        second,
        _REMEDY,
    )


def _like(made: Made, calls: Sequence[Made]) -> list[Made]:
    return [each for each in calls if _is_like(made, each)]


def _is_like(made: Made, other: Made) -> bool:
    """The same request of the same work: not that of another request of the test."""
    mine, theirs = made.answer, other.answer
    label = None if mine is None else mine.label
    return (
        other.same == made.same
        and _body(other) == _body(made)
        and (None if theirs is None else theirs.label) == label
    )


def _body(made: Made) -> Any:
    return getattr(made.out.request, "_content", None)


def _key(made: Made) -> str:
    headers = getattr(made.out.request, "headers", {})
    return headers.get("idempotency-key", "") or ""
