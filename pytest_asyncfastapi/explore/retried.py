"""A POST or PATCH that is sent again although the first may have been processed.

Whoever has not heard of an answer does not know whether the work was done. With a key
that stays the same (`Idempotency-Key`) the upstream can tell. Knows exchanges only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .calls import Made

_METHODS = ("POST", "PATCH")
# The upstream has read the request, and may have done what it says.
_PROCESSED = ("read_timeout", "reset", "empty_reply", "truncated", "slow")
# It says that it has not, or does not know: many take that for an invitation to try again.
_DOUBTFUL = ("500", "503", "503_html")
_REMEDY = (
    "send an Idempotency-Key that stays the same for all tries, or do not send again what may "
    "have been done"
)


def unsafe(
    fault: str, made: Made, calls: Sequence[Made], clean: Sequence[Made]
) -> Iterator[Problem]:
    """Was the struck call sent once more, with the same body and no key, only for the fault?"""
    verdict = "unsafe retry" if fault in _PROCESSED else "doubtful retry"
    if fault not in (*_PROCESSED, *_DOUBTFUL) or made.out.method not in _METHODS:
        return
    if _key(made):
        keyed = [each for each in _like(made, calls) if _key(each) == _key(made)]
        if len(keyed) == len(_like(made, calls)):
            return
    again = _like(made, calls)
    usual = sum(_is_like(made, each) for each in clean)
    later = [each for each in again if calls.index(each) > calls.index(made)]
    if len(again) <= usual or not later:
        return
    first, second = made.out.where, later[0].out.where
    yield Problem(
        verdict,
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
