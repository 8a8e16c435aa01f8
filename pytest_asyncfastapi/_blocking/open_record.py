"""One recorded call while it may still grow: more time, more arguments, more of the same."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .blocking_findings import allow_line, strength, weigh
from .lazy_imports import besides
from .models import BlockingCall, BlockingPolicy, Weight
from .thread_stats import perf_counter

if TYPE_CHECKING:
    from .._core.creation_site import CreationSite
    from .._core.frames import UserCode
    from .catalog import Category, Entry
    from .stack_analysis import Scene

# Below these names, the C function that waits says nothing more.
_WHOLE = frozenset({"subprocess", "queue", "join", "lock", "import", "file", "file_metadata"})
# The same part of a call may come again and again: so many names are distinguished.
_MOST_PARTS = 50


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
    def below(self) -> int:
        """The id of the user's frame below which a library makes it; 0 if the user does."""
        scene = self._record.scene
        return 0 if scene.user is None or scene.below is None else scene.user.ident

    def ended(self, duration: float, held: float, *, nested: bool = False) -> None:
        """Add the time of the call, and the part of it that counts (seconds).

        Of a call inside another one of the same record (`nested`) the record has the time.
        """
        self.duration = (self.duration or 0.0) + duration
        self.held = (self.held or 0.0) + held
        if not nested:
            self._record.add(duration, held)

    def explain(self, args: str) -> None:
        """Take the arguments that another witness saw."""
        self._record.explain(args)

    def __repr__(self) -> str:
        return f"<Part {self.name} ({self.category}) of {self._record!r}>"


class Record:
    """A call as its guard keeps it; `frozen()` is what others see.

    What a library does below one line of the user's is one record of many parts. It has the
    category and the remedy of the part that matters most: by weight, kind, then time.
    """

    def __init__(
        self,
        name: str,
        *,
        args: str,
        category: Category,
        scene: Scene,
        activity: str,
        remedy: str,
        witness: str,
        test: str,
        site: CreationSite | None = None,
        judge: str = "",
    ) -> None:
        self.name = name
        self.args = args
        self.category: Category = category  # of its first part
        self.scene = scene
        self.activity = activity
        self.witness = witness
        self.test = test
        self.site = site
        self.began = perf_counter()
        self.thread = threading.current_thread().name
        self.stall = False
        self.seen = True  # else it is concluded from what the step cost
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
        if len(self.parts) >= _MOST_PARTS:
            return self.parts[-1]
        self.parts.append(Part(self, name, category, remedy, judge))
        return self.parts[-1]

    def add(self, duration: float, held: float) -> None:
        """Add the time of a part, and what of it counts (seconds)."""
        self._duration = (self._duration or 0.0) + duration
        self._held = (self._held or 0.0) + held

    def explain(self, args: str) -> None:
        """Take the arguments that another witness saw, if there are none yet."""
        if args and len(self.parts) == 1 and self.first.name in ("", self.name):
            self.args = args

    def is_at(self, scene: Scene) -> bool:
        """Is this the same line of the user's?"""
        return self.scene.where is not None and self.scene.where == scene.where

    def frozen(self, policy: BlockingPolicy, user: UserCode | None = None) -> BlockingCall:
        """The record as a fact, weighed by the policy."""
        severity, main = self._weighed(policy)
        remedy = main.remedy
        name, args = self.name, self.args if main is self.first else ""
        if main.category not in _WHOLE:
            inner = next((part.name for part in (main, *self.parts) if part.name), name)
            name = name if inner == name else f"{name} -> {inner}"
        if name == "import" and self.args:
            name = f"import {self.args.strip(chr(39))}"
            if self.scene.deferred:
                name = f"lazy {name}"
                remedy += "" if user is None else besides(user)
        return BlockingCall(
            name=name,
            args="" if self.category == "import" else args,
            category=main.category,
            duration=self._duration,
            where=self.scene.where,
            chain=self.scene.chain,
            activity=self.activity,
            thread=self.thread,
            witness=self.witness,
            severity=severity,
            allow=allow_line(main.category, self.scene),
            remedy=_fill(remedy, args),
            test=self.test,
            created="" if self.site is None or user is None else self.site.describe(user),
            at=self.at,
        )

    def _weighed(self, policy: BlockingPolicy) -> tuple[Weight, Part]:
        """How much it matters, and which part of it does."""
        held: dict[tuple[str, str], float | None] = {}
        for part in self.parts:
            kind = (part.category, part.judge if part.category == "cpu" else "")
            held.setdefault(kind, None)
            if part.held is not None:
                held[kind] = (held[kind] or 0.0) + part.held
        if len(held) == 1:
            held = dict.fromkeys(held, self._held)
        weights: dict[str, Weight] = {}
        for (category, judge), seconds in held.items():
            weight = weigh(
                category,
                seconds,
                policy,
                self.scene,
                self.activity,
                preparing=self.preparing,
                seen=self.seen,
                judge=judge,
            )
            known = weights.get(category, "silent")
            weights[category] = weight if _rank(weight) > _rank(known) else known
        main = max(
            self.parts,
            key=lambda part: (
                _rank(weights[part.category]),
                strength(part.category),
                (part.duration or 0.0) if strength(part.category) else 0.0,
            ),
        )
        return weights[main.category], main

    def __repr__(self) -> str:
        return f"<Record of {self.name} at {self.scene.where}>"


def _rank(weight: Weight) -> int:
    return ("silent", "warning", "error").index(weight)


def joins(latest: Record, name: str, entry: Entry, scene: Scene) -> bool:
    """Is this call a part of the one that was recorded last?

    Both must be below the same line of the same frame of the user's;
    a function that calls its C function directly makes a new call each time.
    """
    was, now = latest.scene.user, scene.user
    if was is None or now is None or (was.ident, was.line) != (now.ident, now.line):
        return False
    if latest.category == "import":
        return scene.importing
    return latest.name == name and name != entry.name


def _fill(remedy: str, args: str) -> str:
    """`await anyio.sleep(...)` with the user's own argument, where there is just one."""
    return remedy.replace("sleep(...)", f"sleep({args})") if args else remedy
