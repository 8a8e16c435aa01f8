"""Places without a fault: `faults.on(...)` alone, or a verb without its parentheses.

A statement that only says where drops its object in its own line. One that is kept in
a variable may be meant for later.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .._core.findings import Location
    from .._core.frames import UserCode


@dataclass(slots=True, eq=False)
class _Incomplete:
    call: str
    where: Location | None
    used: bool = False
    dropped: bool = False


class IncompleteFaults:
    """What the test said of places, and whether a fault followed."""

    def __init__(self) -> None:
        self._places: list[_Incomplete] = []
        self._refs: set[weakref.ref[Any]] = set()

    def watch(
        self,
        call: str,
        users: UserCode | None,
        make: Callable[[Callable[..., Any]], Any],
        add: Callable[..., Any],
    ) -> Any:
        """The point that `make(add)` gives, watched until its line has ended."""
        frame = None if users is None else users.innermost(sys._getframe(1))
        if frame is None or users is None:
            return make(add)
        place = _Incomplete(call, users.location(frame.f_code, frame.f_lineno))
        line = _line(frame)

        def adding(*args: Any, **kwargs: Any) -> Any:
            place.used = True
            return add(*args, **kwargs)

        def gone(ref: weakref.ref[Any]) -> None:
            self._refs.discard(ref)
            now = users.innermost(sys._getframe(1))
            place.dropped = now is not None and _line(now) == line

        point = make(adding)
        self._places.append(place)
        self._refs.add(weakref.ref(point, gone))
        return point

    def findings(self, test: str) -> list[Finding]:
        """The places at which nothing can go wrong."""
        return [
            Finding(
                kind="unused-fault",
                title=f"{place.call} says where, but not what goes wrong",
                where=place.where,
                why="the test runs without the fault that it is about",
                remedy='a fault, with its parentheses: .reset(), .read_timeout(), .latency("3s")',
                test=test,
            )
            for place in self._places
            if place.dropped and not place.used
        ]

    def __repr__(self) -> str:
        return f"<IncompleteFaults: {len(self._places)} places>"


def _line(frame: FrameType) -> tuple[int, int]:
    return id(frame), frame.f_lineno
