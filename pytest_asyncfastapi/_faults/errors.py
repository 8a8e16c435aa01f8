"""What this package raises: a spec that cannot be read, a call that would hang."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.base_error import AsyncFastAPIError
from .._core.timeout_remedies import SOCKS, timeout_remedy

if TYPE_CHECKING:
    from .._core.findings import Location


def missing_timeout(phase: str, call: str) -> str:
    """What a stalled call does not have, in words."""
    if phase == SOCKS:
        return f"no timeout covers the SOCKS5 handshake of {call}: it would never end"
    return f"no {phase} timeout is set on {call}: it would never end"


class FaultSpecError(AsyncFastAPIError, ValueError):
    """A fault spec cannot be read; the message points at the character.

    Attributes:
        spec: The text of the fault.
        position: The index of the offending character, from 0.
        problem: What is wrong there.
    """

    def __init__(self, spec: str, position: int, problem: str, known: str = "") -> None:
        self.spec = spec
        self.position = position
        self.problem = problem
        lines = [f"this fault cannot be read: {problem}", f"  {spec}", f"  {' ' * position}^"]
        if known:
            lines.append(known)
        super().__init__("\n".join(lines))


class NoTimeoutSet(AsyncFastAPIError, AssertionError):
    """A fault stalls a call that has no timeout for it: it would never end.

    Not an error of httpx, so that code which handles those does not catch it.

    Attributes:
        phase: What has no timeout: `"read"`, `"connect"`.
        where: The line that made the call, if it is known.
    """

    def __init__(self, phase: str, request: str, where: Location | None, library: str) -> None:
        self.phase = phase
        self.where = where
        place = f" at {where}" if where is not None else ""
        super().__init__(
            f"{missing_timeout(phase, f'this call{place}')}\n"
            f"  the call: {request}\n"
            "  a fault holds it back, and only a timeout can end it\n"
            f"  write: {timeout_remedy(library, [phase])}"
        )
