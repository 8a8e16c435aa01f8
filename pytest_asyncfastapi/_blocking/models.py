"""Frozen records: the policy, and the calls that were found.

What they mean for the test is decided in `blocking_findings.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .._core.base_error import AsyncFastAPIError

if TYPE_CHECKING:
    from .._core.findings import Location
    from .allow import AllowRule

Mode = Literal["fail", "raise", "warn", "off"]
Profile = Literal["default", "strict"]
CallSeverity = Literal["error", "warning", "silent"]


@dataclass(frozen=True, slots=True)
class BlockingPolicy:
    """What is reported, and how. Thresholds are in seconds."""

    mode: Mode = "fail"
    profile: Profile = "default"
    allow: tuple[AllowRule | str, ...] = ()
    step_threshold: float = 0.05
    cpu_threshold: float = 0.25
    categories: tuple[tuple[str, str], ...] = ()  # (category, "fail", "warn" or "off")
    shipped: tuple[AllowRule, ...] = ()  # of libraries; nothing is reported if they allow nothing


@dataclass(frozen=True, slots=True)
class BlockingCall:
    """One call that held the event loop, or one step that did.

    Attributes:
        name: The function that was called, or the step.
        args: Its arguments, as text.
        category: What kind of call it is, as allow rules name it.
        duration: Seconds; None if its end was not observed.
        where: The user's line; None if no line of the stack is the user's.
        chain: The user's frames, outermost first.
        activity: What was running: `"POST /checkout"`, `"lifespan"`.
        thread: The thread whose loop was held.
        evidence: How it was detected.
        severity: What the profile makes of it; `"silent"` for what it accepts.
        allow: The line that silences it.
        remedy: What to write instead.
        test: The id of the test.
        created: Who created the task that made the call.
        at: When it was (for a step: when it ended), in seconds since the test began; None if
            it was not recorded.
    """

    name: str
    args: str
    category: str
    duration: float | None
    where: Location | None
    chain: tuple[Location, ...]
    activity: str
    thread: str
    evidence: str
    severity: CallSeverity
    allow: str
    remedy: str
    test: str = ""
    created: str = ""
    at: float | None = None

    def __str__(self) -> str:
        return f"{self.name}({self.args}) at {self.where or 'no line of yours'}"


class BlockingCallError(AsyncFastAPIError, RuntimeError):
    """A blocking call on the event loop, raised where mode "raise" or `forbid()` asks for it."""
