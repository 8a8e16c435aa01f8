"""One recorded call, which may still get more time, arguments and parts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .blocking_findings import category_rank, narrowest_rule, severity_of
from .lazy_imports import other_lazy_imports
from .models import BlockingCall, BlockingPolicy, CallSeverity
from .thread_stats import perf_counter

if TYPE_CHECKING:
    from .._core.creation_site import CreationSite
    from .._core.frames import UserCode
    from .catalog import Category, Entry
    from .stack_analysis import CallSite

# Below these names, the C function that waits says nothing more.
_NAMED_BY_CALLER = frozenset(
    {"subprocess", "queue", "join", "lock", "import", "file", "file_metadata"}
)
# The same part of a call may come again and again: so many names are distinguished.
_MAX_PARTS = 50


class Part:
    """One blocking call below a line of the user's; its record sums up all of them.

    Without a name, it is a function that a library calls to do what the user has asked for.
    """

    __slots__ = ("_record", "category", "duration", "held", "judge", "name", "remedy")

    def __init__(
        self, record: Record, name: str, category: Category, remedy: str, judge: str
    ) -> None:
        self._record = record
        self.name = name
        self.category = category
        self.remedy = remedy
        self.judge = judge
        self.duration: float | None = None
        self.held: float | None = None

    @property
    def user_frame_id(self) -> int:
        """The id of the user's frame, if a library below it made the call; otherwise 0."""
        record = self._record
        return 0 if record.call_site.callee_frame is None else record.user_frame_id

    def add_time(self, duration: float, held: float, *, nested: bool = False) -> None:
        """Add the time of the call, and the part of it that counts (seconds).

        Of a call inside another one of the same record (`nested`) the record has the time.
        """
        self.duration = (self.duration or 0.0) + duration
        self.held = (self.held or 0.0) + held
        if not nested:
            self._record.add_time(duration, held)

    def add_arguments(self, args: str) -> None:
        """Take the arguments from another detector."""
        self._record.add_arguments(args)

    def __repr__(self) -> str:
        return f"<Part {self.name} ({self.category}) of {self._record!r}>"


class Record:
    """A call as its guard keeps it; `to_blocking_call()` is its public form.

    What a library does below one line of the user's is one record of many parts. It has the
    category and the remedy of the part that matters most: by weight, kind, then time.
    """

    def __init__(
        self,
        name: str,
        *,
        args: str,
        category: Category,
        call_site: CallSite,
        activity: str,
        remedy: str,
        evidence: str,
        test: str,
        creation_site: CreationSite | None = None,
        judge: str = "",
        user_frame_id: int = 0,
    ) -> None:
        self.name = name
        self.args = args
        self.category: Category = category  # of its first part
        self.call_site = call_site
        self.user_frame_id = user_frame_id  # 0 if no frame is the user's
        self.activity = activity
        self.evidence = evidence
        self.test = test
        self.creation_site = creation_site
        self.began = perf_counter()
        self.thread = threading.current_thread().name
        self.stall = False
        self.observed = True  # False if it was inferred from the statistics of the step
        self.at: float | None = None
        self.preparing = False  # made by a fixture, outside of any request
        self.parts: list[Part] = [Part(self, name, category, remedy, judge)]
        self._duration: float | None = None
        self._held: float | None = None

    @property
    def first(self) -> Part:
        """The call that made this a record."""
        return self.parts[0]

    def part(self, name: str, category: Category, remedy: str, judge: str) -> Part:
        """The part of this name and category; a new one, if there is none yet."""
        for known in self.parts:
            if known.name == name and known.category == category:
                return known
        if len(self.parts) >= _MAX_PARTS:
            return self.parts[-1]
        self.parts.append(Part(self, name, category, remedy, judge))
        return self.parts[-1]

    def add_time(self, duration: float, held: float) -> None:
        """Add the time of a part, and what of it counts (seconds)."""
        self._duration = (self._duration or 0.0) + duration
        self._held = (self._held or 0.0) + held

    def add_arguments(self, args: str) -> None:
        """Take the arguments from another detector, if there are none yet."""
        if args and len(self.parts) == 1 and self.first.name in ("", self.name):
            self.args = args

    def is_at(self, call_site: CallSite) -> bool:
        """Is this the same line of the user's?"""
        return self.call_site.where is not None and self.call_site.where == call_site.where

    def to_blocking_call(
        self, policy: BlockingPolicy, user: UserCode | None = None
    ) -> BlockingCall:
        """The record as a fact, weighed by the policy."""
        severity, main = self._severity_and_main_part(policy)
        remedy = main.remedy
        name, args = self.name, self.args if main is self.first else ""
        if main.category not in _NAMED_BY_CALLER:
            inner = next((part.name for part in (main, *self.parts) if part.name), name)
            name = name if inner == name else f"{name} -> {inner}"
        if name == "import" and self.args:
            name = f"import {self.args.strip(chr(39))}"
            if self.call_site.is_lazy_import:
                name = f"lazy {name}"
                remedy += "" if user is None else other_lazy_imports(user)
        return BlockingCall(
            name=name,
            args="" if self.category == "import" else args,
            category=main.category,
            duration=self._duration,
            where=self.call_site.where,
            chain=self.call_site.chain,
            activity=self.activity,
            thread=self.thread,
            evidence=self.evidence,
            severity=severity,
            allow=narrowest_rule(main.category, self.call_site),
            remedy=_fill_in_argument(remedy, args),
            test=self.test,
            created=""
            if self.creation_site is None or user is None
            else self.creation_site.describe(user),
            at=self.at,
        )

    def _severity_and_main_part(self, policy: BlockingPolicy) -> tuple[CallSeverity, Part]:
        """How much it matters, and which part of it does."""
        held: dict[tuple[str, str], float | None] = {}
        for part in self.parts:
            kind = (part.category, part.judge if part.category == "cpu" else "")
            held.setdefault(kind, None)
            if part.held is not None:
                held[kind] = (held[kind] or 0.0) + part.held
        if len(held) == 1:
            held = dict.fromkeys(held, self._held)
        weights: dict[str, CallSeverity] = {}
        for (category, judge), seconds in held.items():
            weight = severity_of(
                category,
                seconds,
                policy,
                self.call_site,
                self.activity,
                preparing=self.preparing,
                observed=self.observed,
                judge=judge,
            )
            known = weights.get(category, "silent")
            weights[category] = weight if _rank(weight) > _rank(known) else known
        main = max(
            self.parts,
            key=lambda part: (
                _rank(weights[part.category]),
                category_rank(part.category),
                (part.duration or 0.0) if category_rank(part.category) else 0.0,
            ),
        )
        return weights[main.category], main

    def __repr__(self) -> str:
        return f"<Record of {self.name} at {self.call_site.where}>"


def _rank(weight: CallSeverity) -> int:
    return ("silent", "warning", "error").index(weight)


def belongs_to(
    latest: Record, name: str, entry: Entry, call_site: CallSite, user_frame_id: int
) -> bool:
    """Is this call a part of the one that was recorded last?

    Both must be below the same line of the same frame of the user's;
    a function that calls its C function directly makes a new call each time.
    """
    previous, current = latest.call_site.user_frame, call_site.user_frame
    if (
        previous is None
        or current is None
        or (latest.user_frame_id, previous.line) != (user_frame_id, current.line)
    ):
        return False
    if latest.category == "import":
        return call_site.importing
    return latest.name == name and name != entry.name


def _fill_in_argument(remedy: str, args: str) -> str:
    """`await anyio.sleep(...)` with the user's own argument, where there is just one."""
    return remedy.replace("sleep(...)", f"sleep({args})") if args else remedy
