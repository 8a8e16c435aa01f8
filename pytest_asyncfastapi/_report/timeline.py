"""An upstream call as the pieces of its time, and slices in lanes where none overlaps.

What an injected delay took is exact; the rest of each stretch is the client's and
the answer's own. Knows no format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# The delays of a fault, by the stretch of the call in which they come.
_CONNECT = ("dns", "connect", "tls", "accept")
_HEAD = ("delay",)
_WORDS = {"delay": "delay", "first_byte": "wait for the body", "tail": "wait for the end"}


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of time (seconds since the test began) on a track; `instant` has no length."""

    name: str
    kind: str
    start: float
    end: float
    args: dict[str, Any] = field(default_factory=dict)
    instant: bool = False


def last_moment(record: dict[str, Any]) -> float:
    """The last moment that is known: where what never ended is cut off."""
    moments = [0.0]
    for items, names in (
        (record["requests"], ("start", "head", "complete", "end")),
        (record["upstream"], ("started", "head", "first_byte", "ended")),
        (record["tasks"], ("start", "end")),
    ):
        moments += [item[name] for item in items for name in names if item[name] is not None]
    return max(moments)


def call_slices(call: dict[str, Any], end: float) -> list[Slice]:
    """The call, then its pieces: each injected delay, and what is left of connect, head and body.

    `end` is where a call that never ended is cut off.
    """
    ended = max(call["started"], end if call["ended"] is None else call["ended"])
    where = call["where"]
    args = {
        "status": call["status"],
        "error": call["error"],
        "fault": call["fault"],
        "where": None if where is None else f"{where['path']}:{where['line']}",
        "library": call["library"],
    }
    name = f"{call['method']} {call['url']}"
    return [Slice(name, "upstream", call["started"], ended, args), *_pieces(call, ended)]


def _pieces(call: dict[str, Any], ended: float) -> list[Slice]:
    given = {item["what"]: item["seconds"] for item in call["injected"]}
    head = ended if call["head"] is None else min(call["head"], ended)
    body = head if call["first_byte"] is None else min(call["first_byte"], ended)
    found, at = _stretch(call["started"], head, [(n, given[n]) for n in _CONNECT if n in given])
    if found:
        found = [Slice("connect", "upstream", call["started"], at), *found]
    delays, at = _stretch(at, head, [(name, given[name]) for name in _HEAD if name in given])
    found += delays
    if at < head:
        silent = call["head"] is None and call["ending"]
        kind = "injected" if silent else "upstream"
        found.append(Slice(silent.replace("_", " ") if silent else "head", kind, at, head))
    if call["head"] is not None and head < ended:
        found.append(Slice("body", "upstream", head, ended))
        found += _stretch(head, body, [(n, given[n]) for n in ("first_byte",) if n in given])[0]
        rest = [(n, given[n]) for n in ("tail",) if n in given]
        found += _stretch(max(body, ended - sum(s for _, s in rest)), ended, rest)[0]
    return found


def _stretch(
    start: float, end: float, delays: Iterable[tuple[str, float]]
) -> tuple[list[Slice], float]:
    """These delays one after the other, as far as the call came; and where the last one ends."""
    found: list[Slice] = []
    for name, seconds in delays:
        until = min(start + seconds, end)
        if until > start:
            words = f"injected {_WORDS.get(name, name)}"
            found.append(Slice(words, "injected", start, until, {"seconds": seconds}))
        start = until
    return found, start


def in_lanes(groups: Iterable[list[Slice]]) -> list[list[Slice]]:
    """Each group (a slice, then what lies within it) on the first lane that is free by then."""
    lanes: list[list[Slice]] = []
    free: list[float] = []
    for group in sorted(groups, key=lambda group: group[0].start):
        first = group[0]
        place = next((n for n, until in enumerate(free) if until <= first.start), None)
        if place is None:
            place = len(lanes)
            lanes.append([])
            free.append(0.0)
        lanes[place] += group
        free[place] = first.end
    return lanes
