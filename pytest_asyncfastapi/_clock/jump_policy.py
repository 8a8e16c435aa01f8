"""Freeze or flow: what happens to time while real work is pending.

Under `freeze` time stands still, up to a bound after which it runs at real
speed and a note names the work; under `flow` it runs at real speed at once.
A loop that is never idle (a task polls) would stop time forever: after many
steps it moves by the processor time that they take, and faster and faster.
Must not depend on the kind of work or loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._core.real_time import thread_time
from .._core.units import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from .pending_work import WaitReason
    from .timeline import Timeline

Policy = Literal["freeze", "flow"]
POLICIES = ("freeze", "flow")

# A thread that ends does not wake the loop, so never wait longer than this.
SLICE = 0.02
_FIRST_SLICE = 0.001
# An unknown thread may be just about to end: only then does time flow for it.
_UNKNOWN_WORK_BOUND = 0.15
# Steps of a loop that is not idle in between; a program with so many is rare.
BUSY_STEPS = 20_000
_STEPS_PER_LOOK = 64  # more of them between two readings of the processor's clock
# Seconds of processor time with each of which time moves twice as fast: an hour takes six.
_DOUBLED_EVERY = 0.5


class JumpPolicy:
    """The state of one loop that waits for real work. All figures are real seconds."""

    def __init__(
        self, timeline: Timeline, notes: list[str], *, freeze_bound: float, policy: Policy
    ) -> None:
        self._timeline = timeline
        self._notes = notes
        self.freeze_bound = freeze_bound
        self._policy = policy
        self.real_waited = 0.0
        self._frozen = 0.0
        self._slice = _FIRST_SLICE
        self._flowing = False
        self._stuck = 0.0
        self.deadlock_reported = False
        self.steps = 0  # since the loop was idle
        # The thread's processor time at the latest and at the first look at a busy loop.
        self._busy_since: tuple[float, float] | None = None

    def slice_for(self, work: WaitReason) -> float:
        """How long to wait now for this work before looking again."""
        if not self._flowing and self._policy == "flow":
            self._flowing = True
        bound = _UNKNOWN_WORK_BOUND if work.is_unbounded else self.freeze_bound
        if not self._flowing and self._frozen >= bound:
            self._flowing = True
            self._note(work)
        wait = self._slice
        self._slice = min(self._slice * 2, SLICE)
        when = self._timeline.next_when()
        if self._flowing and when is not None:
            wait = min(wait, max(when - self._timeline.now, 0.0))
        return wait

    def add_waited(self, duration: float) -> None:
        """So long was really waited for work, events or not."""
        if self._flowing:
            self._timeline.flow(duration)
        else:
            self._frozen += duration
            self.real_waited += duration

    def is_due(self) -> bool:
        """Is a timer due?"""
        when = self._timeline.next_when()
        return when is not None and when <= self._timeline.now

    def _note(self, work: WaitReason) -> None:
        reason = (
            "it is not known whether this thread is idle"
            if work.is_unbounded
            else f"it still ran after {show(self.freeze_bound)} of real time"
        )
        self.add_note(f"virtual time runs at real speed because of {work.name}: {reason}")

    def add_note(self, note: str) -> None:
        """Something that the user should know, once."""
        if note not in self._notes:
            self._notes.append(note)

    def on_busy_loop(self, busy_line: Callable[[], str]) -> None:
        """The loop took `BUSY_STEPS` steps without being idle; called again after some more."""
        self.steps -= _STEPS_PER_LOOK
        now = thread_time()
        if self._busy_since is None:
            self._busy_since = now, now
            return
        last, first = self._busy_since
        self._busy_since = now, first
        if self._timeline.next_when() is None:
            return
        self._timeline.flow((now - last) * 2 ** min(int((now - first) / _DOUBLED_EVERY), 40))
        if now - first > _UNKNOWN_WORK_BOUND:
            self.add_note(
                "virtual time moves on although the loop never rests: something polls, with "
                f"`sleep(0)` or by catching its cancellation ({busy_line()})"
            )

    def on_idle(self) -> None:
        """Nothing is ready."""
        self.steps, self._busy_since = 0, None

    def jump(self) -> bool:
        """No work is pending: move time to the next timer; False when there is none."""
        self._frozen = 0.0
        self._slice = _FIRST_SLICE
        self._flowing = False
        if self._timeline.jump():
            self._stuck = 0.0
            return True
        return False

    def on_event(self) -> None:
        """An event has come: whatever seemed stuck is not."""
        self._stuck = 0.0
        self.deadlock_reported = False

    def should_wait(self, something_is_open: bool) -> bool:
        """Nothing is due: may external I/O still arrive, or was the deadlock reported already?"""
        return self.deadlock_reported or (self._stuck < self.freeze_bound and something_is_open)

    def add_stuck(self, duration: float) -> None:
        """So long was waited for something that is merely open."""
        self._stuck += duration

    def __repr__(self) -> str:
        state = "flows" if self._flowing else "frozen" if self._frozen else "jumps"
        return f"<JumpPolicy {state}, {self.real_waited:.3f} s of real waiting>"
