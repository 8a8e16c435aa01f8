"""A POST or PATCH that is sent again although the first may have been processed.

After a timeout it is not known whether the work was done. With a key that stays the same
(`Idempotency-Key`) the upstream can detect the retry. A POST may be a mere query (a search, a
token), so it is only listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .problems import Problem
from .swept_faults import swept_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .call_identity import SweptCall

_METHODS = ("POST", "PATCH")
_REMEDY = (
    "send an Idempotency-Key that stays the same for all tries, or do not send again what may "
    "have been done"
)


def unsafe(
    fault: str, call: SweptCall, calls: Sequence[SweptCall], clean: Sequence[SweptCall]
) -> Iterator[Problem]:
    """Was the struck call sent once more, with the same body and no key, only for the fault?"""
    if not swept_faults()[fault].processed or call.out.method not in _METHODS:
        return
    again = _like(call, calls)
    if _key(call) and all(_key(each) == _key(call) for each in again):
        return
    usual = sum(_is_like(call, each) for each in clean)
    later = [each for each in again if calls.index(each) > calls.index(call)]
    if len(again) <= usual or not later:
        return
    first, second = call.out.where, later[0].out.where
    yield Problem(
        "unsafe retry",
        f"{call.label}, called at {first}, may have been processed when it met {fault}, and was "
        f"sent again with the same body at {second}",
        second,
        _REMEDY,
    )


def _like(call: SweptCall, calls: Sequence[SweptCall]) -> list[SweptCall]:
    return [each for each in calls if _is_like(call, each)]


def _is_like(call: SweptCall, other: SweptCall) -> bool:
    """The same request of the same work: not that of another request of the test."""
    mine, theirs = call.answer, other.answer
    label = None if mine is None else mine.label
    return (
        other.same == call.same
        and _body(other) == _body(call)
        and (None if theirs is None else theirs.label) == label
    )


def _body(call: SweptCall) -> Any:
    return getattr(call.out.request, "_content", None)


def _key(call: SweptCall) -> str:
    headers = getattr(call.out.request, "headers", {})
    return headers.get("idempotency-key", "") or ""
