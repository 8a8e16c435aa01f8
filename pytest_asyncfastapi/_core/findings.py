"""The record that every package reports with.

A `Finding` has what happened, where (the user's line, never ours), why it
matters and what to change. It is sent as JSON on pytest's reports, so xdist
needs nothing special. Must not import pytest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Severity = Literal["error", "warning"]


FOUND = "asyncfastapi_found"  # set on the error of a test that only its findings fail


@dataclass(frozen=True, slots=True)
class Location:
    """One line of the user's code: `path` as shown to people, 1-based `line`."""

    path: str
    line: int
    function: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    def to_list(self) -> list[Any]:
        """`[path, line, function, source]`."""
        return [getattr(self, name) for name in self.__slots__]

    def to_json(self) -> dict[str, Any]:
        """Plain data. There are many in a report, and `asdict()` takes ten times as long."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with how the code under test behaves.

    Attributes:
        kind: What is wrong, as a word: `"blocking"`, `"unused-route"`.
        title: One line, which needs no context to be understood.
        where: The user's line that has to change.
        activity: What was running: `"POST /checkout"`, `"lifespan"`.
        chain: The user's frames from the endpoint down to `where`, outermost first.
        why: One clause.
        remedy: What to write instead.
        evidence: What was seen.
        allow: The exact line that silences it.
        replay: What runs the same again, where there is such a thing.
        created: Who created the task in which it happened, and who created that one.
        severity: `"error"` fails the test.
        test: The id of the test.
        count: How often it was found at this place.
        data: Figures of this kind of finding.
    """

    kind: str
    title: str
    where: Location | None = None
    activity: str = ""
    chain: tuple[Location, ...] = ()
    why: str = ""
    remedy: str = ""
    evidence: str = ""
    allow: str = ""
    replay: str = ""
    created: str = ""
    severity: Severity = "error"
    test: str = ""
    count: int = 1
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str, int]:
        """What makes two findings one: the kind and the user's line."""
        if self.where is None:
            return (self.kind, self.title, 0)
        return (self.kind, self.where.path, self.where.line)

    @property
    def weight(self) -> tuple[bool, int, float]:
        """Which of two findings of one place is shown: an error, then by kind, then by time."""
        data = self.data
        return (self.severity == "error", data.get("strength") or 0, data.get("duration") or 0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as it travels on a report.

        Returns:
            A dict of text, numbers, lists and dicts.
        """
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """Build the record again from `to_json()`.

        Args:
            data: What `to_json()` returned.

        Returns:
            An equal finding.
        """
        values = dict(data)
        where = values.get("where")
        values["where"] = Location(**where) if where else None
        values["chain"] = tuple(Location(**item) for item in values.get("chain", ()))
        return cls(**values)


def swallowed_deadlock(report: str) -> Finding:
    """Nothing could ever happen again, and what was raised to end it has not come out."""
    head, _, chains = report.strip().partition("\n")
    return Finding(
        kind="deadlock",
        title=head.removesuffix("."),
        why="the wait was ended by force, and the error that ended it was caught: under a server "
        "nothing ends it",
        evidence=chains,
        remedy="give the wait a timeout, or set, release or cancel what it waits for; let "
        "CancelledError pass",
    )


# Kinds of which each title is kept, although they have the same line.
_SEPARATE_TITLES = ("unrouted",)


class FindingLog:
    """The findings of one test, in order; repeats at one place are folded into the worst."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, str, int], Finding] = {}

    def add(self, finding: Finding) -> None:
        """Record a finding, or count it again when its place is known."""
        known = self._by_place.get(finding.place)
        if known is None:
            self._by_place[finding.place] = finding
            return
        if finding.kind in _SEPARATE_TITLES and finding.title != known.title:
            also = dict.fromkeys([*known.data.get("also", ()), finding.title])
            self._by_place[finding.place] = replace(known, data={**known.data, "also": [*also]})
            return
        worse = finding if finding.weight > known.weight else known
        same = finding.data.get("name") == known.data.get("name")
        count = known.count + finding.count if same else worse.count
        self._by_place[finding.place] = replace(worse, count=count)

    def errors(self) -> list[Finding]:
        """The findings that fail the test."""
        return [item for item in self if item.severity == "error"]

    def __iter__(self) -> Iterator[Finding]:
        return iter(list(self._by_place.values()))

    def __len__(self) -> int:
        return len(self._by_place)

    def __repr__(self) -> str:
        return f"<FindingLog: {len(self.errors())} errors, {len(self)} findings>"
