"""When a test began, on each clock that its moments are measured by.

The time of a loop is ahead of the machine's where an earlier test was on virtual time, and
trio's clock starts at a random number.
"""

from __future__ import annotations

from .real_time import monotonic


class ClockOrigins:
    """One test's; the names of clocks are those of `current_loop.now_with_clock()`."""

    def __init__(self) -> None:
        # On the machine's clock, and on a loop that is not ahead of it.
        self.start: float = monotonic()
        self._origins: dict[str, float] = {}

    @classmethod
    def at(cls, now: float) -> ClockOrigins:
        """All begins now, on the clock in force."""
        origins = cls()
        origins._origins = {"": now, "trio": now}
        return origins

    def on_loop(self) -> None:
        """The test has a loop: where is its clock?"""
        from .current_loop import current_loop, now_with_clock

        if current_loop() is not None:
            now, clock = now_with_clock()
            self._origins.setdefault(clock, now - (monotonic() - self.start))

    def of(self, clock: str, now: float) -> float:
        """When the test began on this clock, on which it is `now`."""
        if not clock:
            return self._origins.get("", self.start)
        return self._origins.setdefault(clock, now - (monotonic() - self.start))

    def of_loop(self) -> float:
        """The same on the clock of the test's loop, for a test that is over."""
        return self._origins.get("", self._origins.get("trio", self.start))

    def __repr__(self) -> str:
        return f"<ClockOrigins: {self.start}, {self._origins}>"
