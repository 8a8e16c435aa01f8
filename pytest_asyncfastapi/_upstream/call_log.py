"""What went out: one `Exchange` per call, and how many were out at one time.

Times are seconds since the test began, on the clock in force: virtual time
where it is on, the process's own clock in a thread. Knows no HTTP library: a
request is anything with `method` and `url`.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.activity import ACTIVITY, SERVED
from .._core.clock_origins import ClockOrigins
from .._core.creation_site import current_creation_site
from .._core.deadlines import has_deadline
from .._core.thread_callers import line_of, line_of_creation
from .._core.units import show
from .._faults import NO_POOL, InFlight
from .._faults.effect import DELAYS

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .._core.creation_site import CreationSite
    from .._core.findings import Location
    from .._core.frames import UserCode
    from .._faults import Pool


# In the extensions of a request: the client's own limit (s) holds, since the app gave none.
DEFAULT_TIMEOUT = "asyncfastapi.default_timeout"


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """One upstream call, from sending to the end of the body or the error.

    Times are seconds since the test began, on the clock in force; None for what has not come.

    Attributes:
        method: The HTTP method.
        url: The URL, as text.
        library: The client library that sent it.
        started: When it was sent.
        head: When the response head was there.
        first_byte: When the first byte of the body was there.
        ended: When the body ended, or the error came.
        status: The status of the response; None without one.
        error: The name of what was raised, in the body too; empty if nothing was.
        where: The line of the app that called.
        activity: The request of the app's client that was being served.
        fault: The text of the rules that struck.
        request: The request, as the library has it.
        injected: The delays of these rules by name, in seconds.
        ending: How these rules end the call (see `faults.Effect`).
    """

    method: str
    url: str
    library: str
    started: float
    head: float | None = None
    first_byte: float | None = None
    ended: float | None = None
    status: int | None = None
    error: str = ""
    where: Location | None = None
    activity: str = ""
    fault: str = ""
    request: Any = field(default=None, compare=False)
    injected: tuple[tuple[str, float], ...] = ()
    ending: str = ""

    @property
    def duration(self) -> float | None:
        """Seconds from sending to the end of the body or the error; None while it is out."""
        return None if self.ended is None else self.ended - self.started

    @property
    def time_to_head(self) -> float | None:
        """Seconds from sending to the response head; None where none came."""
        return None if self.head is None else self.head - self.started

    @property
    def time_to_first_byte(self) -> float | None:
        """Seconds from sending to the first byte of the body; None where none came."""
        return None if self.first_byte is None else self.first_byte - self.started

    def __repr__(self) -> str:
        outcome = [str(part) for part in (self.status, self.error) if part]
        words = [" ".join([self.method, self.url, "->", *(outcome or ["nothing yet"])])]
        for name, at in (("head", self.head), ("byte", self.first_byte), ("end", self.ended)):
            if at is not None:
                words.append(f"{name} +{show(max(0.0, at - self.started)).replace(' ', '')}")
        if self.ended is None:
            words.append("still out")
        if self.where is not None:
            words.append(f"called at {self.where}")
        if self.fault:
            words.append(f"fault {self.fault}")
        return f"<Exchange {', '.join(words)}>"


@dataclass(slots=True, eq=False)
class OpenExchange:
    """A call while it is out: the same facts, on a clock that begins at `clock_origin`."""

    method: str
    url: Any
    library: str
    clock_origin: float
    started: float
    where: Location | None
    activity: str
    request: Any
    # Anything that says it as text: most calls are never looked at.
    fault: Any = ""
    head: float | None = None
    first_byte: float | None = None
    ended: float | None = None
    status: int | None = None
    error: str = ""
    response: Any = None  # where the recorder `keeps_responses`
    body: bytes = b""  # the beginning of what was read, there
    pool: Pool = NO_POOL
    # For the checks: the request that was being served, who created the task, how many calls
    # had been made when this one ended, and (where it failed) the user's lines that led to it.
    served: Any = None
    site: CreationSite | None = None
    until: int | None = None
    chain: tuple[tuple[CodeType, int], ...] = ()
    kinds: tuple[str, ...] = ()  # the classes of the error
    late: bool = False  # that request had been answered by then
    own_budget: bool = False  # a missing one of the client's is made up for by the app

    def snapshot(self) -> Exchange:
        """What is known by now."""
        zero = self.clock_origin
        return Exchange(
            self.method,
            str(self.url),
            self.library,
            self.started - zero,
            None if self.head is None else self.head - zero,
            None if self.first_byte is None else self.first_byte - zero,
            None if self.ended is None else self.ended - zero,
            self.status,
            self.error,
            self.where,
            self.activity,
            str(self.fault),
            self.request,
            *_injected(self.fault),
        )


def _injected(plan: Any) -> tuple[tuple[tuple[str, float], ...], str]:
    effect = getattr(plan, "effect", None)
    if effect is None:
        return (), ""
    delays = tuple((name, getattr(effect, name)) for name in DELAYS if getattr(effect, name))
    return delays, effect.ending


class CallRecorder:
    """Collects the exchanges of one test, from any task and thread."""

    def __init__(self, user_code: UserCode | None = None) -> None:
        self._user_code = user_code
        self._lock = threading.Lock()
        self._all: list[OpenExchange] = []
        # By the code's id, as its own hash reads all of its bytes; the code is kept with it.
        self._known: dict[tuple[int, int], tuple[Any, Location]] = {}
        self._out = InFlight()
        self.peak: int = 0
        self.keeps_responses = False
        self.clock_origins: ClockOrigins = ClockOrigins()  # the test's own, where there is one

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every call, in the order in which they were made."""
        return tuple(call.snapshot() for call in list(self._all))

    @property
    def count(self) -> int:
        """How many calls were made so far."""
        return len(self._all)

    def calls_from(self, number: int) -> list[OpenExchange]:
        """The calls after the first `number`, those that are still out too."""
        return self._all[number:]

    def begin(
        self,
        request: Any,
        library: str,
        now: float,
        frame: FrameType | None,
        clock: str = "",
        *,
        pool: Pool = NO_POOL,
    ) -> OpenExchange:
        """A call goes out, at `now`, from the code above `frame`.

        `clock` names a clock that does not start where the process's does; `pool` is the
        client's: what waits for one of its connections is not in flight.
        """
        where = None if frame is None else self.where(frame)
        zero = self.clock_origins.of(clock, now)
        activity = ACTIVITY.get()
        call = OpenExchange(
            request.method, request.url, library, zero, now, where, activity, request, pool=pool
        )
        call.served, call.site = SERVED.get(), current_creation_site()
        call.late = getattr(call.served, "complete", False)
        limits = request.extensions.get("timeout") or {}
        if None in limits.values() or DEFAULT_TIMEOUT in request.extensions:
            call.own_budget = has_deadline()
        with self._lock:
            self._all.append(call)
            self.peak = max(self.peak, self._out.enter(pool))
        return call

    def answered(self, call: OpenExchange, response: Any, now: float) -> None:
        """The head of the response is here."""
        call.head, call.status = now, response.status_code
        if self.keeps_responses:
            call.response = response

    def end(self, call: OpenExchange, now: float, *, error: str = "") -> None:
        """The call is over: its body has been read, given up, or it failed. Once is enough."""
        with self._lock:
            if call.ended is None:
                call.ended, call.error, call.until = now, error, len(self._all)
                self._out.leave(call.pool)

    def failed(self, call: OpenExchange, frame: FrameType, error: object = None) -> None:
        """Note the user's lines above `frame`, which are to handle that this call has failed."""
        if self._user_code is not None:
            call.chain = self._user_code.callers(frame)
        call.kinds = tuple(each.__name__ for each in type(error).__mro__)

    def where(self, frame: FrameType) -> Location | None:
        """The innermost line of the user's own code above `frame`, or the one that led to it.

        A task whose coroutine is a library's, such as `client.get(...)` in `gather()`, has
        no line of the user's on its stack, nor has a thread or a background task.
        """
        if self._user_code is None:
            return None
        mine = self._user_code.caller(frame)
        made = None
        if mine is None:
            made = line_of(frame, self._user_code) or line_of_creation(current_creation_site())
        if made is None:  # or whoever runs the loop: a plain test, with `asyncio.run(...)`
            mine = mine or self._user_code.innermost(frame)
            if mine is None:
                return None
            made = mine.f_code, mine.f_lineno
        code, line = made
        known = self._known.get((id(code), line))
        if known is None:
            known = self._known[id(code), line] = (code, self._user_code.location(code, line))
        return known[1]

    def callers(self) -> list[str]:
        """The lines that called, the busiest first, each with how often."""
        counted = Counter(call.where for call in list(self._all) if call.where is not None)
        return [
            f"{n} from {place} in {place.function}: {place.source}"
            for place, n in counted.most_common()
        ]

    def __repr__(self) -> str:
        return f"<CallRecorder exchanges={len(self._all)} out={self._out.total} peak={self.peak}>"
