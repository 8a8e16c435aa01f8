"""Freeze or flow: what happens to time while real work is pending.

Under `freeze` time stands still, up to a bound after which it runs at real
speed and a note names the work; under `flow` it runs at real speed at once.
A loop that never rests (somebody polls) would hold time forever: after many
steps it moves by the processor time that they take, and faster and faster.
This module must not know what the work is, nor which loop waits for it.
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

# A dying thread wakes nobody, so never wait longer than this.
SLICE = 0.02
_FIRST_SLICE = 0.001
# An unknown thread may be just about to end: only then does time flow for it.
_GRACE = 0.15
# Steps of a loop without any rest; a program that works so long without one is rare.
BUSY_STEPS = 20_000
_PER_LOOK = 64  # more of them, from one look at the processor's clock to the next


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
        self.deadlock_reported = False  # has the deadlock been reported? Once is enough
        self.steps = 0  # since the loop has rested
        self._spun: tuple[float, float] | None = None  # the processor's clock then, and at first

    def slice_for(self, work: WaitReason) -> float:
        """How long to wait now for this work before looking again."""
        if not self._flowing and self._policy == "flow":
            self._flowing = True
        bound = _GRACE if work.is_unbounded else self.freeze_bound
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
        """Does a timer go off as soon as the loop asks?"""
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

    def on_busy_loop(self, who: Callable[[], str]) -> None:
        """The loop has taken `BUSY_STEPS` steps without a rest; checked again after some more."""
        self.steps -= _PER_LOOK
        now = thread_time()
        if self._spun is None:
            self._spun = now, now
            return
        last, first = self._spun
        self._spun = now, first
        if self._timeline.next_when() is None:
            return
        # Doubled with every half of a second: an hour takes six seconds of processor time.
        self._timeline.flow((now - last) * 2 ** min(int((now - first) * 2), 40))
        if now - first > _GRACE:
            self.add_note(
                "virtual time moves on although the loop never rests: something polls, with "
                f"`sleep(0)` or by catching its cancellation ({who()})"
            )

    def on_idle(self) -> None:
        """Nothing is ready."""
        self.steps, self._spun = 0, None

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
        """Nothing is due: may something outside still speak, or has it been said already?"""
        return self.deadlock_reported or (self._stuck < self.freeze_bound and something_is_open)

    def add_stuck(self, duration: float) -> None:
        """So long was waited for something that is merely open."""
        self._stuck += duration

    def __repr__(self) -> str:
        state = "flows" if self._flowing else "frozen" if self._frozen else "jumps"
        return f"<JumpPolicy {state}, {self.real_waited:.3f} s of real waiting>"
