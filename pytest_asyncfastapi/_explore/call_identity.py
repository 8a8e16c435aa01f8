"""Identifies an upstream call across runs: this line's call to this URL, not the k-th call.

Other runs make other calls before it: a token is cached, a background task calls
too, something is tried again. Round trips with databases and caches are identified in the same
way: the method is their command. Must not depend on faults.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .recorded_responses import CALLER

if TYPE_CHECKING:
    from .._upstream.call_log import CallRecorder, Exchange, OpenExchange
    from .recorded_responses import RecordedResponse

# Parts of a path that are new in each run: a UUID, a digest, a time or a serial number.
_VARIABLE_PARTS = re.compile(
    r"(?<=/)(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,}|\d{9,})(?=/|$)", re.I
)
_WITH_DIGITS = re.compile(r"(?<=/)[^/]*\d[^/]*(?=/|$)")


@dataclass(frozen=True, slots=True)
class CallId:
    """One upstream call, distinct from all others of its run, and its counterpart in another run.

    `url` is without its query, and with `*` for what is new in each run; `line`
    is the app's, `number` counts equal ones in the run (from 1).
    """

    method: str
    url: str
    line: str
    number: int

    @property
    def kind(self) -> tuple[str, str, str]:
        """What equal calls have in common: the method, the shape of the URL, the line."""
        scheme, slashes, rest = self.url.partition("://")
        return self.method, scheme + slashes + _WITH_DIGITS.sub("*", rest), self.line


@dataclass(slots=True, eq=False)
class SweptCall:
    """One upstream call of a run, in the order in which they were made.

    `answer` is the request that was being served, where it is one of the test's; `late`:
    it had been answered by then, so the call is background work. `struck`: the fault
    of the run was applied to it. `is_round_trip`: it is not HTTP, but an exchange with a
    database or cache, or an attempt to connect to one.
    """

    id: CallId
    out: OpenExchange
    answer: RecordedResponse | None = None
    late: bool = False
    struck: bool = False
    is_round_trip: bool = False

    @property
    def exchange(self) -> Exchange:
        """The exchange as it is now."""
        return self.out.snapshot()

    @property
    def label(self) -> str:
        """`"POST https://pay.example/charges"`."""
        return f"{self.out.method} {self.out.url}"

    @property
    def host(self) -> str:
        """The upstream: `"https://pay.example"`, `"redis://cache"`."""
        return self.id.url if self.is_round_trip else origin(str(self.out.url))

    @property
    def is_connect(self) -> bool:
        """Is a connection to a database or cache opened?"""
        return self.is_round_trip and bool(self.out.request.is_connect)

    @property
    def same(self) -> tuple[str, str]:
        """What a second try has in common with the first."""
        return self.out.method, plain(str(self.out.url))


class SweptCalls:
    """The upstream calls of one run that a sweep may strike.

    Those of the test's body, and what its requests have left running; `setup` adds those
    before it: of fixtures, and of the app's start-up. `before` counts what is left out.
    `round_trips` has those with databases and caches, of which those of the app's requests
    count: neither a test's own queries, nor what a driver sends by itself.
    """

    def __init__(
        self,
        recorder: CallRecorder,
        round_trips: CallRecorder | None = None,
        *,
        setup: bool = False,
    ) -> None:
        self.all: list[SweptCall] = []
        self.before = 0
        self.endless: SweptCall | None = None  # the call that is tried again and again
        self._setup = setup
        self._phase = "setup"
        self._recorders = [one for one in (recorder, round_trips) if one is not None]
        self._lock = threading.Lock()
        self._seen = [one.count for one in self._recorders]
        self._counted: Counter[tuple[str, str, str]] = Counter()
        self._by_request: dict[int, SweptCall] = {}

    def enter(self, phase: str) -> None:
        """The next phase begins: `body`, `after` it, or the run is `over`."""
        self.update()
        self._phase = phase

    def find(self, request: Any) -> SweptCall | None:
        """The call of a request that is on its way out; None where it is none of these."""
        self.update(request)
        return self._by_request.get(id(request))

    def update(self, request: Any = None) -> None:
        """Look at what has been called since; the call of `request` is made right here."""
        with self._lock:
            for number, recorder in enumerate(self._recorders):
                new = recorder.calls_from(self._seen[number])
                self._seen[number] += len(new)
                for out in new:
                    caller = CALLER.get() if out.request is request else None
                    (self._add_round_trip if number else self._add_call)(out, caller)

    def _add_round_trip(self, out: OpenExchange, caller: RecordedResponse | None) -> None:
        if self._phase == "setup" and not self._setup:
            self.before += not out.request.is_own
        elif self._phase == "setup" or (caller and self._phase in ("body", "after")):
            self._add(out, caller, out.request.server, is_round_trip=True)

    def _add_call(self, out: OpenExchange, caller: RecordedResponse | None) -> None:
        if self._phase == "setup" and not self._setup:
            self.before += 1
        elif self._phase in ("setup", "body") or (self._phase == "after" and caller):
            self._add(out, caller, _VARIABLE_PARTS.sub("*", plain(str(out.url))))

    def _add(
        self,
        out: OpenExchange,
        caller: RecordedResponse | None,
        url: str,
        *,
        is_round_trip: bool = False,
    ) -> None:
        line = "" if out.where is None else f"{out.where.path}:{out.where.line}"
        key = (out.method, url, line)
        self._counted[key] += 1
        late = caller is not None and caller.is_whole
        call = SweptCall(
            CallId(*key, self._counted[key]), out, caller, late, is_round_trip=is_round_trip
        )
        self._by_request[id(out.request)] = call
        # What a driver sends by itself meets what happens to its whole server only.
        if not (is_round_trip and out.request.is_own):
            self.all.append(call)


# Strikes in one run after which an app that retries is reported as never giving up.
MAX_STRIKES = 500
_REACH_TEXT = {
    "": "",
    "url": ", and from then on",
    "host": ", and from then on its host",
    "equal": ", and all equal ones",
}


class FaultTarget:
    """Which calls of a run get the fault: one, and those after it that `reach` names.

    `reach` is `""`, `"url"`, `"host"`, or `"equal"` for all calls of the same kind.
    """

    def __init__(self, calls: SweptCalls, id: CallId | None, reach: str = "") -> None:
        self._calls = calls
        self._id = id
        self._reach = reach
        self._first_struck: SweptCall | None = None
        self._strikes = 0

    def match(self, request: Any) -> bool:
        """Is this request to be struck?"""
        call = self._calls.find(request)
        if call is None or self._id is None:
            return False
        if call.id == self._id:
            self._first_struck = call
        call.struck = call is self._first_struck or self._is_beside(call)
        self._strikes += call.struck
        if self._strikes > MAX_STRIKES:  # it works again, so that the run has an end
            self._calls.endless = self._calls.endless or call
            return False
        return call.struck

    def _is_beside(self, call: SweptCall) -> bool:
        if self._first_struck is None or not self._reach:
            return False
        if self._reach == "equal":
            return call.id.kind == self._first_struck.id.kind
        if self._reach == "host":
            return call.host == self._first_struck.host
        return plain(str(call.out.url)) == plain(str(self._first_struck.out.url))

    def __repr__(self) -> str:
        if self._id is None:
            return "no call"
        return f"{self._id.method} {self._id.url}{_REACH_TEXT[self._reach]}"


def plain(url: str) -> str:
    """A URL without its query."""
    return url.partition("?")[0]


def origin(url: str) -> str:
    """Scheme and host of a URL."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme}{slashes}{rest.partition('/')[0].partition('?')[0]}"


def same_answer(
    answer: RecordedResponse, first: RecordedResponse, second: RecordedResponse | None
) -> bool:
    """Is it the answer of the clean run, apart from what differs between two clean runs?"""
    if (answer.status, answer.complete) != (first.status, first.complete):
        return False
    if answer.body == first.body:
        return True
    if second is None or second.body == first.body:
        return False
    try:
        bodies = [json.loads(one.body) for one in (answer, first, second)]
    except ValueError:
        return True  # it is never the same: its status is all that can be compared
    return _same_value(*bodies)


def _same_value(value: Any, first: Any, second: Any) -> bool:
    """Where two clean runs agree, does the third?"""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return (
            isinstance(value, dict)
            and value.keys() == first.keys()
            and all(_same_value(value[key], first[key], second[key]) for key in first)
        )
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return (
            isinstance(value, list)
            and len(value) == len(first)
            and all(map(_same_value, value, first, second))
        )
    return bool(first != second or value == first)
