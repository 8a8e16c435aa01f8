"""The verbs people type after `faults.on(pattern)`.

Each verb adds one rule and returns it, so that a schedule can follow:
`faults.on("https://pay.example/*").read_timeout().first(2)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..units import seconds
from .effect import Effect
from .grammar import status_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from .rule import FaultRule


class FaultPoint:
    """A place where a fault can be put."""

    def __init__(self, text: str, add: Callable[[Effect, bool], FaultRule]) -> None:
        self._text = text
        self._add = add

    def latency(self, delay: float | str, *, optional: bool = False) -> FaultRule:
        """Let `delay` (seconds, or `"3s"`) pass before the response head."""
        return self._add(Effect(delay=seconds(delay)), optional)

    def read_timeout(self, *, optional: bool = False) -> FaultRule:
        """Never answer: the client's own read timeout has to end the call."""
        return self._add(Effect(ending="read_timeout"), optional)

    def connect_timeout(self, *, optional: bool = False) -> FaultRule:
        """Never connect: the client's own connect timeout has to end the call."""
        return self._add(Effect(ending="connect_timeout"), optional)

    def pool_timeout(self, *, optional: bool = False) -> FaultRule:
        """No connection becomes free: the client's own pool timeout ends the call."""
        return self._add(Effect(ending="pool_timeout"), optional)

    def refused(self, *, optional: bool = False) -> FaultRule:
        """Refuse the connection (nothing listens)."""
        return self._add(Effect(ending="refused"), optional)

    def dns_error(self, *, optional: bool = False) -> FaultRule:
        """Fail to resolve the host name."""
        return self._add(Effect(ending="dns_error"), optional)

    def reset(self, *, optional: bool = False) -> FaultRule:
        """Read the request, then reset the connection without a byte."""
        return self._add(Effect(ending="reset"), optional)

    def empty_reply(self, *, optional: bool = False) -> FaultRule:
        """Read the request, then close the connection without a byte."""
        return self._add(Effect(ending="empty_reply"), optional)

    def status(
        self, code: int, *, retry_after: float | str | None = None, optional: bool = False
    ) -> FaultRule:
        """Answer with this status, and a `Retry-After` header where one is given."""
        after = "" if retry_after is None else str(retry_after)
        effect = Effect(ending="status", status=status_code(code), retry_after=after)
        return self._add(effect, optional)

    def __repr__(self) -> str:
        return f"<FaultPoint {self._text!r}>"
