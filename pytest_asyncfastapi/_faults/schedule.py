"""When a rule strikes: schedules that each let some calls through to the next.

A rule asks its schedules in the order in which they were written, and each
counts the calls that reached it: `after(2).first(3)` strikes the third to the
fifth call, `probability(0.5).first(2)` the first two that the draw picks.
Times are seconds on the clock in force, since the test began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .delay import show_delay

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class ScheduleContext:
    """What a schedule may look at: the time (s), the calls in flight, the rule's stream."""

    now: float
    in_flight: int
    stream: random.Random


class Schedule(Protocol):
    """One condition; `passes` is called once a call."""

    def passes(self, moment: ScheduleContext) -> bool:
        """Does this call go on to the next schedule, or to the fault?"""
        ...


class _Counting:
    def __init__(self) -> None:
        self._seen = 0

    def _count(self) -> int:
        self._seen += 1
        return self._seen


class First(_Counting):
    """The first `n`."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def passes(self, moment: ScheduleContext) -> bool:
        """Is this one of the first?"""
        return self._count() <= self.n

    def __str__(self) -> str:
        return f"first={self.n}"


class After(_Counting):
    """All but the first `n`."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def passes(self, moment: ScheduleContext) -> bool:
        """Have `n` been spared?"""
        return self._count() > self.n

    def __str__(self) -> str:
        return f"after={self.n}"


class Every(_Counting):
    """Every `n`-th."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def passes(self, moment: ScheduleContext) -> bool:
        """Is its number a multiple of `n`?"""
        return self._count() % self.n == 0

    def __str__(self) -> str:
        return f"every={self.n}"


class Nth(_Counting):
    """The ones with these numbers, from 1."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        super().__init__()
        self.numbers = numbers

    def passes(self, moment: ScheduleContext) -> bool:
        """Is its number among them?"""
        return self._count() in self.numbers

    def __str__(self) -> str:
        return f"nth={'+'.join(map(str, self.numbers))}"


@dataclass(frozen=True, slots=True)
class Between:
    """An outage: from `begin` up to `end` (s)."""

    begin: float
    end: float

    def passes(self, moment: ScheduleContext) -> bool:
        """Is it now?"""
        return self.begin <= moment.now < self.end

    def __str__(self) -> str:
        return f"between={show_delay(self.begin)}..{show_delay(self.end)}"


@dataclass(frozen=True, slots=True)
class Flapping:
    """`on` seconds of the fault, `off` seconds without it, and again."""

    on: float
    off: float

    def passes(self, moment: ScheduleContext) -> bool:
        """Is it on?"""
        return moment.now % (self.on + self.off) < self.on

    def __str__(self) -> str:
        return f"flapping={show_delay(self.on)}/{show_delay(self.off)}"


@dataclass(frozen=True, slots=True)
class Ramp:
    """A chance that grows from 0 to 1 over so many seconds."""

    over: float

    def passes(self, moment: ScheduleContext) -> bool:
        """Does the draw pick it?"""
        return moment.stream.random() < moment.now / self.over

    def __str__(self) -> str:
        return f"ramp={show_delay(self.over)}"


@dataclass(frozen=True, slots=True)
class Chance:
    """The same chance for every call."""

    p: float

    def passes(self, moment: ScheduleContext) -> bool:
        """Does the draw pick it?"""
        return moment.stream.random() < self.p

    def __str__(self) -> str:
        return f"probability={self.p:g}"


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The calls beyond `n` in flight at one time."""

    n: int

    def passes(self, moment: ScheduleContext) -> bool:
        """Are more in flight, this one counted?"""
        return moment.in_flight > self.n

    def __str__(self) -> str:
        return f"concurrency={self.n}"


class Quota:
    """The calls beyond `n` in a window of `per` seconds; the first call opens a window."""

    def __init__(self, n: int, per: float) -> None:
        self.n, self.per = n, per
        self._begin: float | None = None
        self._used = 0

    def passes(self, moment: ScheduleContext) -> bool:
        """Is the quota of this window used up?"""
        if self._begin is None or moment.now >= self._begin + self.per:
            self._begin, self._used = moment.now, 0
        self._used += 1
        return self._used > self.n

    def left(self, now: float) -> float:
        """Seconds until the next window: what `Retry-After` says."""
        return 0.0 if self._begin is None else max(0.0, self._begin + self.per - now)

    def __str__(self) -> str:
        return f"quota={self.n}/{show_delay(self.per)}"


RANDOM = (Chance, Ramp)
