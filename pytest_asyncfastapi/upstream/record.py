"""What went out: one `Exchange` per call, and how many were out at one time.

Times are seconds on the clock in force (virtual time where it is on). Knows
no HTTP library: a request is anything with `method` and `url`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..activity import ACTIVITY

if TYPE_CHECKING:
    from types import FrameType

    from ..findings import Location
    from ..frames import UserCode


@dataclass(frozen=True, slots=True)
class Exchange:
    """One upstream call, from sending to the response head or the error.

    `started` and `ended` are seconds; `fault` is the text of the rules that
    struck; `error` the name of what was raised; `activity` the request of the
    app's client that was being served.
    """

    method: str
    url: str
    library: str
    started: float
    ended: float
    status: int | None = None
    error: str = ""
    where: Location | None = None
    activity: str = ""
    fault: str = ""

    @property
    def duration(self) -> float:
        """Seconds from sending to the response head or the error."""
        return self.ended - self.started


@dataclass(slots=True)
class OpenExchange:
    """A call that is still out."""

    method: str
    url: str
    library: str
    started: float
    where: Location | None
    activity: str
    fault: str = ""


class Recorder:
    """Collects the exchanges of one test, from any task and thread."""

    def __init__(self, user_code: UserCode | None = None) -> None:
        self._user_code = user_code
        self._lock = threading.Lock()
        self._done: list[Exchange] = []
        self._known: dict[tuple[Any, int], Location] = {}
        self._out = 0
        self.peak = 0

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every call that has ended, in the order of their end."""
        return tuple(self._done)

    def begin(self, request: Any, library: str, now: float, frame: FrameType) -> OpenExchange:
        """A call goes out, at `now`, from the code above `frame`."""
        with self._lock:
            self._out += 1
            self.peak = max(self.peak, self._out)
        where = self.where(frame)
        return OpenExchange(request.method, str(request.url), library, now, where, ACTIVITY.get())

    def end(self, call: OpenExchange, now: float, *, status: int | None, error: str = "") -> None:
        """The response head is here, or the call failed."""
        done = Exchange(
            call.method,
            call.url,
            call.library,
            call.started,
            now,
            status,
            error,
            call.where,
            call.activity,
            call.fault,
        )
        with self._lock:
            self._out -= 1
            self._done.append(done)

    def where(self, frame: FrameType) -> Location | None:
        """The innermost line of the user's own code above `frame`."""
        if self._user_code is None:
            return None
        mine = self._user_code.innermost(frame)
        if mine is None:
            return None
        place = (mine.f_code, mine.f_lineno)
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = self._user_code.location(*place)
        return found

    def __repr__(self) -> str:
        return f"<Recorder exchanges={len(self._done)} out={self._out} peak={self.peak}>"
